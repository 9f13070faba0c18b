//! `cargo xtask fuzz`: each target of `tests/fuzz` runs for a while, begun with its seeds. Installs nothing; what
//! is missing is told with the command that brings it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use toml::Value;

use crate::workspace::{Workspace, parse};

/// The fuzz workspace, below the root.
const FOLDER: &str = "tests/fuzz";
/// Bytes of the longest input. Longer ones repeat what shorter ones can do, and slow the search down.
const LONGEST_INPUT: u32 = 4096;
/// Seconds that one input may take. The slowest honest one takes milliseconds, instrumented.
const PATIENCE: u32 = 5;
/// libFuzzer's, for the first input that fails.
const ARTIFACTS: &str = "target/fuzz/found/";

/// Runs all targets, or the named ones, each for so many seconds.
pub fn run(workspace: &Workspace, names: &[String], seconds: u32) -> Result<()> {
    let targets = choose(targets(&workspace.root)?, names)?;
    check_tools()?;
    fs::create_dir_all(workspace.root.join(ARTIFACTS))
        .with_context(|| format!("cannot create {ARTIFACTS}"))?;
    for target in &targets {
        println!("== {target}, {seconds} s");
        run_one(workspace, target, seconds)?;
    }
    println!("nothing was found in {seconds} s each: {}", targets.join(", "));
    Ok(())
}

/// The binaries that the fuzz workspace declares.
fn targets(root: &Path) -> Result<Vec<String>> {
    let manifest = parse(&root.join(FOLDER).join("Cargo.toml"))?;
    let binaries = manifest.get("bin").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names = binaries.iter().filter_map(|binary| binary.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

fn choose(targets: Vec<String>, names: &[String]) -> Result<Vec<String>> {
    if names.is_empty() {
        ensure!(!targets.is_empty(), "{FOLDER}/Cargo.toml declares no [[bin]]");
        return Ok(targets);
    }
    let unknown = names.iter().find(|name| !targets.contains(name));
    if let Some(name) = unknown {
        bail!("there is no fuzz target `{name}`; there are: {}", targets.join(", "));
    }
    Ok(names.to_vec())
}

fn check_tools() -> Result<()> {
    let runs = |command: &mut Command| {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let mut missing = Vec::new();
    if !runs(Command::new("cargo").args(["fuzz", "--version"])) {
        missing.push("cargo-fuzz is not installed: cargo install --locked cargo-fuzz".to_owned());
    }
    if !runs(Command::new(&compiler).arg("--version")) {
        missing.push(format!(
            "`{compiler}` does not run, and libFuzzer is C++: install g++ or clang, or set CXX"
        ));
    }
    ensure!(missing.is_empty(), "cannot fuzz here\n{}", missing.join("\n"));
    Ok(())
}

fn run_one(workspace: &Workspace, target: &str, seconds: u32) -> Result<()> {
    let folder = workspace.root.join(FOLDER);
    let corpus = workspace.root.join("target/fuzz/corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
    let mut command = Command::new("cargo");
    command.args(["fuzz", "run", "--fuzz-dir"]).arg(&folder);
    command.arg("--target-dir").arg(workspace.root.join("target/fuzz"));
    // Without a sanitizer any toolchain will do, and where `unsafe` is denied it would find nothing.
    command.args(["--sanitizer", "none", target]);
    // New inputs go to the first folder, the seeds are only read.
    command.arg(&corpus).arg(folder.join("seeds").join(target));
    command.arg("--").args(limits(seconds));
    command.arg(format!("-artifact_prefix={}", workspace.root.join(ARTIFACTS).join(target).display()));
    if let Some(dictionary) = dictionary(&folder, target) {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let status = command.current_dir(&workspace.root).status().context("cannot start cargo fuzz")?;
    ensure!(
        status.success(),
        "target {target} found something, or could not be built; see above. An input that it found lies in \
         {ARTIFACTS} and runs again with\n  cargo fuzz run --fuzz-dir {FOLDER} --sanitizer none {target} FILE\n\
         Make a test in words of it, then mend it."
    );
    Ok(())
}

fn limits(seconds: u32) -> [String; 4] {
    [
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST_INPUT}"),
        format!("-timeout={PATIENCE}"),
        "-print_final_stats=1".to_owned(),
    ]
}

fn dictionary(folder: &Path, target: &str) -> Option<PathBuf> {
    Some(folder.join(format!("{target}.dict"))).filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn every_declared_target_has_its_file_and_seeds() {
        let workspace = Workspace::containing(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let folder = workspace.root.join(FOLDER);
        let declared = targets(&workspace.root).unwrap();
        for target in &declared {
            assert!(folder.join("targets").join(format!("{target}.rs")).is_file(), "{target}");
            assert!(!text::files_under(&folder.join("seeds").join(target)).unwrap().is_empty(), "{target}");
        }
        let files = text::files_under(&folder.join("targets")).unwrap();
        assert_eq!(files.len(), declared.len(), "a file there that no [[bin]] declares is never run");
    }

    #[test]
    fn targets_are_chosen_by_name() {
        let all = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(choose(all(), &[]).unwrap(), all());
        assert_eq!(choose(all(), &["b".to_owned()]).unwrap(), ["b"]);
        assert!(choose(all(), &["c".to_owned()]).unwrap_err().to_string().contains("there are: a, b"));
        assert!(choose(Vec::new(), &[]).is_err());
    }
}
