//! A plugin's folder as the checks see it: its manifest, its cases, and the example of its README.
//! Must not know: what a case of any kind says.

use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{self, Declared};

/// What differs between the kinds of plugins.
pub(super) struct Kind {
    pub(super) declared: Declared,
    /// Reads and runs one case: what is wrong with its answers, or why it cannot be read.
    pub(super) case: fn(&str) -> Result<Vec<String>, String>,
    pub(super) hostile: fn() -> Vec<String>,
}

/// Everything that is wrong with the plugin in `folder`, as text for people.
pub(super) fn problems(folder: &Path, kind: &Kind) -> Vec<String> {
    let mut problems = Vec::new();
    match fs::read_to_string(folder.join("plugin.toml")) {
        Ok(text) => problems.extend(manifest::problems(&text, &kind.declared)),
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
        let found = (kind.case)(text).unwrap_or_else(|error| vec![error]);
        problems.extend(found.into_iter().map(|problem| format!("cases/{name}: {problem}")));
    }
    // The worked example of the README is a case, so that it cannot rot.
    if let Ok(readme) = fs::read_to_string(folder.join("README.md"))
        && !cases.iter().any(|(_, text)| readme.contains(text.trim()))
    {
        problems.push("README.md: its worked example must be one of the cases, word for word".to_owned());
    }
    problems.extend((kind.hostile)());
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
