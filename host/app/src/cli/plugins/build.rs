//! `herdwick plugins build`: from a crate to the one file that a router takes, by the recipe of the built-in plugins.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use herdwick_guest_build::{Job, Stamp, Toolchain, component, sources};

use super::folder::Folder;
use crate::cli::print;
use crate::failed::Failed;

/// Options of `herdwick plugins build`.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// The folder of a plugin in Rust.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the component goes; otherwise into the plugin's folder, under its name.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Build {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let folder = Folder::read(&self.dir)?;
        let toolchain = Toolchain::find(None).map_err(|missing| {
            Failed::because(missing, format!("{} cannot be built", folder.id), missing.advice())
        })?;
        print::text(&format!(
            "build  {}, by {}; the first time takes a minute\n",
            folder.id,
            toolchain.one_line()
        ))?;
        let built = component_of(&folder, &toolchain).map_err(|error| {
            Failed::because(
                error,
                format!("{} cannot be built", folder.id),
                "mend what is named above; `cargo test` in its folder shows the same problems sooner",
            )
        })?;
        let out = self.out.clone().unwrap_or_else(|| folder.component());
        write(&out, &built).map_err(|error| {
            Failed::because(
                error,
                format!("{} cannot be written", out.display()),
                "choose another place with --out",
            )
        })?;
        print::text(&format!(
            "made   {}, {}\nnext   herdwick plugins test {}\n",
            out.display(),
            print::bytes(built.len() as u64),
            if self.out.is_some() { &out } else { &self.dir }.display()
        ))
    }
}

fn component_of(folder: &Folder, toolchain: &Toolchain) -> anyhow::Result<Vec<u8>> {
    let root = workspace_of(&folder.path)?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let output = std::path::absolute(target.join("plugins"))?;
    let beside = folder.beside.iter().map(|(name, path)| (path.clone(), format!("/{name}")));
    let job = Job {
        root: &root,
        renamed: std::iter::once((root.clone(), "/plugin".to_owned())).chain(beside).collect(),
        package: &folder.package,
        artifact: &folder.artifact,
        // A new crate has no lock file yet.
        locked: false,
        output: &output,
    };
    let module = job.core_module(toolchain)?;
    let stamp = Stamp {
        digest: sources::digest(&folder.path)?,
        contract: folder.contract.clone(),
        toolchain: toolchain.one_line(),
    };
    component::encode(&module, &stamp)
}

/// The folder of the workspace that the crate belongs to: its own, unless it is part of a larger one.
fn workspace_of(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["locate-project", "--workspace", "--message-format", "plain"]).current_dir(folder);
    let answer = cargo.output().context("cargo does not start; is Rust installed?")?;
    ensure!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr).trim());
    let manifest = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    manifest.parent().map(Path::to_owned).context("cargo names no workspace")
}

/// Writes beside the file and renames: a router that watches the folder never sees half a plugin.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.part"));
    fs::write(&draft, bytes)?;
    fs::rename(&draft, path)
}
