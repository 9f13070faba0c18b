//! Compiles one built-in plugin by the common recipe, and sees to it that its digest covers what it is made of.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use herdwick_guest_build::{Job, Toolchain};

use super::folder::Plugin;
use super::sources::Sources;
use crate::text;
use crate::workspace::Workspace;

/// Compiles a plugin to a core module and returns its bytes.
pub fn core_module(
    workspace: &Workspace,
    toolchain: &Toolchain,
    plugin: &Plugin,
    sources: &Sources,
) -> Result<Vec<u8>> {
    let output = output_folder(&workspace.root)?;
    let job = Job {
        root: &workspace.root,
        renamed: vec![(workspace.root.clone(), "/herdwick".to_owned())],
        package: &plugin.package,
        artifact: &plugin.package,
        locked: true,
        output: &output,
    };
    let module = job.core_module(toolchain)?;
    check_inputs(&workspace.root, &job.inputs(), plugin, sources)?;
    Ok(module)
}

/// Fails when the compiler read a file of ours that the digest does not cover: it could change unnoticed.
fn check_inputs(root: &Path, list: &Path, plugin: &Plugin, sources: &Sources) -> Result<()> {
    for input in inputs(&text::read(list)?) {
        let name = text::relative(root, Path::new(&input));
        if !sources.contains(&name) {
            bail!(
                "{} is compiled from {name}, which its digest does not cover; move it below src/",
                plugin.name
            );
        }
    }
    Ok(())
}

/// The files that cargo's list of inputs names for the module; it escapes spaces within a name by a backslash.
fn inputs(list: &str) -> Vec<String> {
    let line = list.lines().find_map(|line| Some(line.split_once(".wasm: ")?.1)).unwrap_or_default();
    let names = line.replace("\\ ", "\0");
    names.split(' ').filter(|name| !name.is_empty()).map(|name| name.replace('\0', " ")).collect()
}

/// A target folder of its own, so that these flags do not throw away what other builds made.
fn output_folder(root: &Path) -> Result<PathBuf> {
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => env::current_dir().context("cannot tell the current folder")?.join(folder),
        None => root.join("target"),
    };
    Ok(target.join("plugins"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_with_spaces_are_read_whole() {
        assert_eq!(
            inputs("/a\\ b/x.wasm: /a\\ b/plugin.toml /a\\ b/src/lib.rs\n"),
            ["/a b/plugin.toml", "/a b/src/lib.rs"]
        );
        assert_eq!(inputs(""), Vec::<String>::new());
    }
}
