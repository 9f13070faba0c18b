//! The workflows that run elsewhere and that nobody can try here: actions are named by the hash of what was looked at,
//! packages and scripts are there, and a workflow may only read unless one of its jobs says why.

use super::tree::Tree;

/// Where they are.
const FOLDER: &str = ".github/workflows/";

/// What is wrong with any of them. `packages` are the names of the workspace's members.
pub(crate) fn check(tree: &Tree, packages: &[&str]) -> Vec<String> {
    let workflows = tree.files.iter().filter(|file| file.path.starts_with(FOLDER));
    let mut problems = Vec::new();
    for file in workflows {
        let text = file.text();
        let mut wrong = |what: String| problems.push(format!("{}: {what}", file.path));
        if !text.contains("\npermissions:\n  contents: read\n") {
            wrong(
                "begin with `permissions:` and `contents: read`; a job that needs more says so itself".into(),
            );
        }
        for action in
            text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses:"))
        {
            if !is_pinned(action) {
                wrong(format!(
                    "name `{}` by its hash, with the version behind it as a comment",
                    action.trim()
                ));
            }
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        for pair in words.windows(2) {
            match *pair {
                ["--package", name] if !packages.contains(&name) => {
                    wrong(format!("there is no package `{name}`"));
                }
                [_, script] if is_script(script) && tree.text(script.trim_start_matches("./")).is_err() => {
                    wrong(format!("there is no `{script}`"));
                }
                _ => {}
            }
        }
    }
    problems
}

/// `owner/name@hash # v1.2.3`
fn is_pinned(action: &str) -> bool {
    let Some((name, version)) = action.split_once('#') else { return false };
    let hash = name.trim().rsplit_once('@').map_or("", |(_, hash)| hash);
    let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash && version.trim().starts_with('v')
}

/// A file of the repository that is run.
fn is_script(word: &str) -> bool {
    word.starts_with(".ci/") || word.starts_with("./")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "11bd71901bbe5b1630ceea73d27597364c9af683";

    fn problems(body: &str) -> Vec<String> {
        let workflow = format!("name: a\n\npermissions:\n  contents: read\n\njobs:\n{body}\n");
        check(&Tree::of(&[(".github/workflows/a.yml", &workflow), (".ci/run", "")]), &["herdwick"])
    }

    #[test]
    fn what_is_pinned_and_there_is_good() {
        let good = format!("- uses: a/b@{HASH} # v4.2.2\nrun: .ci/run\nrun: cargo test --package herdwick");
        assert_eq!(problems(&good), [""; 0]);
    }

    #[test]
    fn what_can_move_or_is_not_there_is_refused() {
        for body in [
            "- uses: actions/checkout@v4".to_owned(),
            format!("- uses: actions/checkout@{HASH}"),
            format!("uses: actions/checkout@{} # v4", &HASH[1..]),
            "run: .ci/walk".to_owned(),
            "run: ./install.sh".to_owned(),
            "run: cargo build --package herdwig".to_owned(),
        ] {
            assert_eq!(problems(&body).len(), 1, "{body}");
        }
    }

    #[test]
    fn a_workflow_that_may_write_is_refused() {
        let may = |permissions: &str| {
            let workflow = format!("name: a\n{permissions}\njobs:\n");
            !check(&Tree::of(&[(".github/workflows/a.yml", &workflow)]), &[]).is_empty()
        };
        assert!(may("") && may("permissions: write-all\n") && may("permissions:\n  contents: write\n"));
        assert!(!may("permissions:\n  contents: read\n"));
    }
}
