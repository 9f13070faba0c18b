//! `cargo xtask simulate`: runs the simulator of `tests/simulate`, which is a program of its own, since it has the
//! router's plugin host in it and this one must not.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// The simulator's package.
const PACKAGE: &str = "herdwick-simulate";

/// Runs it with these arguments; without components unless it is to measure, since seeds need none.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--locked", "-p", PACKAGE]);
    if !arguments.iter().any(|argument| argument == "quality") {
        command.arg("--no-default-features");
    }
    let status = command.arg("--").args(arguments).current_dir(&workspace.root).status();
    ensure!(status.context("cannot start the simulator")?.success(), "see above");
    Ok(())
}
