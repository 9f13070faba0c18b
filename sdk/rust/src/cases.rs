//! Runs a signal's golden cases, its manifest and hostile input natively: one line in a plugin's test.
//! Must not know: WebAssembly. What needs the sandbox is tried by the router's own tools.
//!
//! A case is a file `cases/*.toml` of the plugin's folder:
//!
//! ```toml
//! what = "waiting work is shared by the slots"
//!
//! [settings]                     # those that differ from the defaults
//! [words]                        # those the request has
//!
//! [[rows]]                       # one for each candidate; none at all is a case too
//! name = "studio"
//! readings = { "queue.waiting-ms" = 8000, "slots.total-count" = 4 }
//! cost = 2000                    # or "abstain", or "veto"
//! explain = "8.0 s of work waiting for 4 slots"    # may be left out
//! ```
//!
//! A reading is a number (`inf` and `nan` are numbers in TOML), or `"unknown"`; one that is not named is unknown.

mod file;
mod hostile;
mod manifest;
mod run;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Signal;

/// Checks the plugin in `folder` and panics with everything that is wrong.
///
/// ```no_run
/// # use herdwick_sdk::*;
/// # struct QueueDepth;
/// # impl Signal for QueueDepth {
/// #     const COLUMNS: &'static [Column] = &[];
/// #     fn new(_: &mut Settings) -> Self { QueueDepth }
/// #     fn cost(&self, _: Row<'_>) -> Cost { Cost::Abstain }
/// #     fn explain(&self, _: Row<'_>) -> String { String::new() }
/// # }
/// #[test]
/// fn cases_manifest_and_hostile_input() {
///     herdwick_sdk::cases::check::<QueueDepth>(env!("CARGO_MANIFEST_DIR"));
/// }
/// ```
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn check<S: Signal>(folder: impl AsRef<Path>) {
    let problems = problems::<S>(folder.as_ref());
    if !problems.is_empty() {
        let mut text = format!("{} of {}:\n", count(problems.len()), folder.as_ref().display());
        for problem in problems {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n* {}\n", problem.trim_end().replace('\n', "\n  "));
        }
        panic!("{text}");
    }
}

/// Everything that is wrong with the plugin in `folder`, as text for people; empty when all is well.
pub fn problems<S: Signal>(folder: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    match fs::read_to_string(folder.join("plugin.toml")) {
        Ok(text) => problems.extend(manifest::problems(&text, &manifest::Declared::of_signal::<S>())),
        Err(error) => problems.push(format!("plugin.toml: {error}")),
    }
    let cases = match read_cases(&folder.join("cases")) {
        Ok(cases) => cases,
        Err(problem) => {
            problems.push(problem);
            Vec::new()
        }
    };
    for (name, text) in &cases {
        let found = match file::Case::parse(text) {
            Ok(case) => run::problems::<S>(&case),
            Err(error) => vec![error],
        };
        problems.extend(found.into_iter().map(|problem| format!("cases/{name}: {problem}")));
    }
    // The worked example of the README is a case, so that it cannot rot.
    if let Ok(readme) = fs::read_to_string(folder.join("README.md"))
        && !cases.iter().any(|(_, text)| readme.contains(text.trim()))
    {
        problems.push("README.md: its worked example must be one of the cases, word for word".to_owned());
    }
    problems.extend(hostile::problems::<S>());
    problems
}

/// Name and text of each case, in the order of their names.
fn read_cases(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("cases/: {error}"))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err("cases/: there is not a single case".to_owned());
    }
    let named = paths.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match fs::read_to_string(path) {
            Ok(text) => Ok((name, text)),
            Err(error) => Err(format!("cases/{name}: {error}")),
        }
    });
    named.collect()
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}
