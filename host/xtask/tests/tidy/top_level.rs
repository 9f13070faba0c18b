//! The top level of the repository is a promise to whoever opens it: nothing is added without a reason.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use xtask::text;

const FILES: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];
const FOLDERS: [&str; 6] = ["examples", "host", "plugins", "sdk", "tests", "wit"];

/// What is missing at the top level, and what should not be there.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root).context("cannot list the top level")? {
        names.push(entry.context("cannot list the top level")?.file_name().to_string_lossy().into_owned());
    }
    let ignored = text::read(&root.join(".gitignore")).unwrap_or_default();
    names.sort();
    Ok(differences(&names, &ignored))
}

fn differences(names: &[String], ignored: &str) -> Vec<String> {
    let expected: Vec<&str> = FILES.into_iter().chain(FOLDERS).collect();
    let absent = expected.iter().filter(|name| !names.iter().any(|present| present == *name));
    let surplus = names.iter().filter(|name| {
        !name.starts_with('.') && !expected.contains(&name.as_str()) && !is_ignored(name, ignored)
    });
    let absent = absent.map(|name| format!("{name} is missing at the top level"));
    let surplus =
        surplus.map(|name| format!("{name} does not belong at the top level; put it into a folder"));
    absent.chain(surplus).collect()
}

/// Whether `.gitignore` leaves out this name: build output is nobody's promise.
fn is_ignored(name: &str, ignored: &str) -> bool {
    ignored.lines().any(|line| match line.strip_prefix('*') {
        Some(ending) => !ending.is_empty() && name.ends_with(ending),
        None => line.trim_matches('/') == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_or_less_than_the_promise_is_a_problem() {
        let with = |extra: &[&str]| -> Vec<String> {
            FILES.iter().chain(&FOLDERS).chain(extra).map(|name| (*name).to_owned()).collect()
        };
        let ignored = "/target\n*.profraw\n";
        assert_eq!(differences(&with(&[".git", "target", "a.profraw"]), ignored), Vec::<String>::new());
        assert_eq!(differences(&with(&["notes"]), ignored).len(), 1);
        assert_eq!(differences(&with(&["target"]), "").len(), 1);
        assert_eq!(differences(&with(&[])[1..], ignored), ["Cargo.lock is missing at the top level"]);
    }
}
