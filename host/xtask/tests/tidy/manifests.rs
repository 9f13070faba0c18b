//! Lints and versions stand in the root manifest and nowhere else, each dependency with its reason.

use toml::Value;
use xtask::workspace::Workspace;

/// Members that do not inherit the lints, and dependencies that do not come from the workspace.
pub(crate) fn inherited(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for member in workspace.members.values() {
        let lints = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            problems.push(format!("{}/Cargo.toml: add `[lints]` with `workspace = true`", member.folder));
        }
        for dependency in workspace.dependencies(member) {
            let says = |key: &str| dependency.line.get(key);
            let inherits = says("workspace").and_then(Value::as_bool) == Some(true);
            if !inherits && (says("path").is_none() || says("version").is_some()) {
                problems.push(format!(
                    "{}/Cargo.toml: {} wants `workspace = true`, and its version in the root manifest",
                    member.folder, dependency.package
                ));
            }
        }
    }
    problems
}

/// Lines of `[workspace.dependencies]` that are not ours and do not say why they are there.
pub(crate) fn reasons(root_manifest: &str) -> Vec<String> {
    let section = root_manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .filter(|line| !line.contains("path = ") && !has_comment(line))
        .map(|line| format!("Cargo.toml: give the reason in a comment behind it, on one line: {line}"))
        .collect()
}

/// Whether a `#` stands outside quotes, with something behind it.
fn has_comment(line: &str) -> bool {
    let outside = line.split('"').step_by(2);
    outside.into_iter().any(|text| text.split_once('#').is_some_and(|(_, reason)| !reason.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use xtask::workspace::Member;

    use super::*;

    #[test]
    fn versions_and_lints_outside_the_root_are_refused() {
        let check = |manifest: &str, problems: usize| {
            let manifest = manifest.parse().unwrap();
            let member = Member { name: "a".to_owned(), folder: "host/a".to_owned(), manifest };
            let members = BTreeMap::from([("a".to_owned(), member)]);
            let found = inherited(&Workspace { root: PathBuf::new(), manifest: toml::Table::new(), members });
            assert_eq!(found.len(), problems, "{found:?}");
        };
        let lints = "lints.workspace = true\n";
        check(&format!("{lints}[dependencies]\nb.workspace = true\nc = {{ path = '../c' }}"), 0);
        check("[dependencies]\nb.workspace = true", 1);
        check("lints.rust = {}", 1);
        check(&format!("{lints}[dependencies]\nb = '1'"), 1);
        check(&format!("{lints}[dev-dependencies]\nb = {{ version = '1' }}"), 1);
        check(&format!("{lints}[target.'cfg(unix)'.build-dependencies]\nb = {{ git = 'c' }}"), 1);
        check(&format!("{lints}[dependencies]\nb = {{ path = '../b', version = '1' }}"), 1);
    }

    #[test]
    fn a_dependency_without_a_reason_is_refused() {
        let check = |line: &str, good: bool| {
            let manifest = format!(
                "[workspace]\na = 1\n[workspace.dependencies]\n# ours\n\n{line}\n[profile.dev]\nb = 1\n"
            );
            assert_eq!(reasons(&manifest).is_empty(), good, "{line}");
        };
        check("http = \"1\" # shared types", true);
        check("ours = { path = \"host/ours\" }", true);
        check("http = \"1\"", false);
        check("http = \"1\" #", false);
        check("http = \"1#2\"", false);
        check("http = { version = \"1\", features = [\n  \"a\", # inside\n] }", false);
    }
}
