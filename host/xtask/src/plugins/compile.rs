//! Runs cargo for one plugin so that the same sources give the same bytes in every folder of every machine
//! that has the same toolchain.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::folder::Plugin;
use super::sources::Sources;
use super::toolchain::{StandardLibrary, TARGET, Toolchain};
use crate::text;
use crate::workspace::Workspace;

/// The profile that plugins are built with. It stands here and not in the root manifest, because it is part of
/// what a component's digest covers, and every key that changes bytes is set.
///
/// Optimised for speed: "s" makes components a fifth smaller and a call on the request path a third longer.
const PROFILE: [(&str, &str); 9] = [
    ("inherits", "\"release\""),
    ("opt-level", "3"),
    ("lto", "true"),
    ("codegen-units", "1"),
    ("panic", "\"abort\""),
    ("strip", "true"),
    ("debug", "false"),
    ("incremental", "false"),
    ("overflow-checks", "false"),
];

/// The profile in one line, for the digest and for people.
pub fn recipe() -> String {
    PROFILE.map(|(key, value)| format!("{key}={value}")).join(" ")
}

/// Compiles a plugin to a core module and returns its bytes.
pub fn core_module(
    workspace: &Workspace,
    toolchain: &Toolchain,
    plugin: &Plugin,
    sources: &Sources,
) -> Result<Vec<u8>> {
    let output = output_folder(&workspace.root)?;
    let mut cargo = cargo(workspace, toolchain, &output)?;
    cargo.arg("--package").arg(&plugin.package);
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo could not build {}; its own message stands above", plugin.package);

    let stem = output.join(TARGET).join("plugin").join(plugin.package.replace('-', "_"));
    check_inputs(&workspace.root, &stem.with_extension("d"), plugin, sources)?;
    let module = stem.with_extension("wasm");
    fs::read(&module).with_context(|| format!("cargo left no {}", module.display()))
}

/// `cargo rustc` with everything but the package.
fn cargo(workspace: &Workspace, toolchain: &Toolchain, output: &Path) -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(&workspace.root).stdin(Stdio::null());
    cargo.args(["rustc", "--quiet", "--locked", "--lib", "--crate-type", "cdylib", "--profile", "plugin"]);
    cargo.args(["--target", TARGET]);
    for (key, value) in PROFILE {
        cargo.arg("--config").arg(format!("profile.plugin.{key}={value}"));
    }
    if let StandardLibrary::FromSource { .. } = toolchain.standard_library {
        cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
    }
    cargo.env("RUSTC", &toolchain.rustc).env("CARGO_TARGET_DIR", output);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(&workspace.root, toolchain)?);
    // Set by the cargo that runs this task, for its own compiler; another compiler must not load that one's libraries.
    cargo.env_remove("LD_LIBRARY_PATH");
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PROFILE_PLUGIN_") {
            cargo.env_remove(name);
        }
    }
    Ok(cargo)
}

/// The compiler's flags: a linker where the compiler brings none, and names for the folders that differ between
/// machines, which panic messages would otherwise carry into the component.
fn flags(root: &Path, toolchain: &Toolchain) -> Result<OsString> {
    let mut renamed = vec![(root.to_path_buf(), "/herdwick".to_owned())];
    let home = cargo_home()?;
    renamed.push((home.clone(), "/cargo".to_owned()));
    // Cargo names the folder of a registry after its address and its own version.
    if let Ok(registries) = fs::read_dir(home.join("registry/src")) {
        renamed.extend(registries.flatten().map(|registry| (registry.path(), "/registry".to_owned())));
    }
    if let StandardLibrary::FromSource { sources } = &toolchain.standard_library {
        renamed.push((sources.clone(), "/rust".to_owned()));
    }
    let mut flags = OsString::new();
    for (from, to) in renamed {
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push(format!("={to}\u{1f}"));
    }
    if let Some(linker) = &toolchain.linker {
        flags.push("-Clinker=");
        flags.push(linker);
        flags.push("\u{1f}");
    }
    // The separator stands between flags, not behind them; this one says what the target has anyway.
    flags.push("-Cpanic=abort");
    Ok(flags)
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

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = env::home_dir().context("cannot tell the home folder; set CARGO_HOME")?;
    Ok(home.join(".cargo"))
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
