//! `cargo xtask nightly`: what would make every change wait too long. The same tests and fuzz targets as always, only
//! more of them.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::fuzz;
use crate::simulate;
use crate::workspace::Workspace;

/// How long each fuzz target runs, in seconds.
const FUZZ: u32 = 600;
/// Instants at which a node is killed under load; a change tries thirty.
const SEEDS: &str = "300";

/// Runs everything, the longest last.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut seeds = Command::new("cargo");
    seeds.args([
        "test",
        "--locked",
        "-p",
        "herdwick",
        "--test",
        "acceptance",
        "killing",
        "--",
        "--nocapture",
    ]);
    let status = seeds.env("TEST_SEEDS", SEEDS).current_dir(&workspace.root).status();
    ensure!(status.context("cannot start cargo test")?.success(), "a killed node cost an answer; see above");
    // Ten thousand seeds, which is what it tries unless told otherwise.
    simulate::run(workspace, &[])?;
    fuzz::run(workspace, &[], FUZZ)
}
