//! Runs a plugin's golden cases, its manifest and hostile input natively: one line in a plugin's test.
//! Must not know: WebAssembly. What needs the sandbox is tried by the router's own tools.
//!
//! A case is a file `cases/*.toml` of the plugin's folder. All kinds have `what`, a sentence that says what the case
//! shows, and `[settings]`, those that differ from the defaults. Of a signal:
//!
//! ```toml
//! what = "waiting work is shared by the slots"
//!
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
//! Of a fallback rule, with `[words]` and `[[rows]]` as above, but without costs:
//!
//! ```toml
//! what = "a refused connection is tried again elsewhere"
//! step = { retry = "mini" }      # or "pass", or { wait_ms = 500 }, { give_up = "…" }, { substitute = "model" }
//!
//! [[tried]]                      # oldest first; the name of a row, or of a backend that is no candidate any more
//! name = "studio"
//! why = "connect"                # the contract's name of the failure
//! status = 0                     # may be left out, and so may `took_ms`
//!
//! [[eliminated]]
//! name = "laptop"
//! why = "too little memory"
//! ```
//!
//! Of a health plugin:
//!
//! ```toml
//! what = "a silent node is found"
//!
//! [[facts]]
//! subject = "node:studio"
//! name = "reachable"
//! value = false                  # a number, a text, true or false, or a list of texts
//!
//! [[replies]]                    # of the probes it planned: `slot`, `path`, and `status`, `took_ms`, `body` if any
//!
//! [[findings]]                   # all of them, in their order; whatever is not named here is not compared
//! check = "node-unreachable"
//! severity = "warning"
//! subject = "node:studio"
//! title = "studio does not answer"
//! evidence = ["node:studio reachable"]
//! ```

mod fallback;
mod file;
mod folder;
mod health;
mod hostile;
mod manifest;
mod run;

use std::fmt::Write as _;
use std::path::Path;

use crate::{Fallback, Health, Signal};
use folder::Kind;
use manifest::Declared;

/// Checks the signal in `folder` and panics with everything that is wrong.
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
pub fn check<S: Signal>(folder: impl AsRef<Path>) {
    report(folder.as_ref(), &problems::<S>(folder.as_ref()));
}

/// Checks the fallback rule in `folder` and panics with everything that is wrong.
pub fn check_fallback<F: Fallback>(folder: impl AsRef<Path>) {
    report(folder.as_ref(), &fallback_problems::<F>(folder.as_ref()));
}

/// Checks the health plugin in `folder` and panics with everything that is wrong.
pub fn check_health<H: Health>(folder: impl AsRef<Path>) {
    report(folder.as_ref(), &health_problems::<H>(folder.as_ref()));
}

/// Everything that is wrong with the signal in `folder`, as text for people; empty when all is well.
pub fn problems<S: Signal>(folder: &Path) -> Vec<String> {
    let kind = Kind {
        declared: Declared::of_signal::<S>(),
        case: |text| Ok(run::problems::<S>(&file::Case::parse(text)?)),
        hostile: hostile::problems::<S>,
    };
    folder::problems(folder, &kind)
}

/// Everything that is wrong with the fallback rule in `folder`.
pub fn fallback_problems<F: Fallback>(folder: &Path) -> Vec<String> {
    let kind = Kind {
        declared: Declared::of_fallback::<F>(),
        case: |text| Ok(fallback::problems::<F>(&fallback::file::Case::parse(text)?)),
        hostile: fallback::hostile::problems::<F>,
    };
    folder::problems(folder, &kind)
}

/// Everything that is wrong with the health plugin in `folder`.
pub fn health_problems<H: Health>(folder: &Path) -> Vec<String> {
    let kind = Kind {
        declared: Declared::of_health::<H>(),
        case: |text| Ok(health::problems::<H>(&health::file::Case::parse(text)?)),
        hostile: health::hostile::problems::<H>,
    };
    folder::problems(folder, &kind)
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn report(folder: &Path, problems: &[String]) {
    if problems.is_empty() {
        return;
    }
    let count =
        if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) };
    let mut text = format!("{count} of {}:\n", folder.display());
    for problem in problems {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n* {}\n", problem.trim_end().replace('\n', "\n  "));
    }
    panic!("{text}");
}
