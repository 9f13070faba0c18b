//! Nothing in the tree names the machine or the folder of whoever wrote it: it must mean the same everywhere.

use super::tree::Tree;

/// Put together at compile time, so that this file does not find itself.
const TRACES: [&str; 3] = [concat!("/wo", "rk/"), concat!("/sha", "red/"), concat!(".libr", "ary")];

/// Files that name a workplace.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for file in &tree.files {
        for trace in TRACES.iter().filter(|trace| holds(&file.bytes, trace.as_bytes())) {
            problems.push(format!("{} contains `{trace}`, somebody's own folder; say it without", file.path));
        }
    }
    problems
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_found_in_any_file() {
        let check = |path: &str, text: &str, good: bool| {
            assert_eq!(check(&Tree::of(&[(path, text)])).is_empty(), good, "{path} {text}");
        };
        check("README.md", "a framework/library is shared work", true);
        check("README.md", concat!("see /wo", "rk/main"), false);
        check("plugins/prebuilt/a.wasm", concat!("\0\u{1}/sha", "red/x"), false);
        check(".ci/run", concat!("cat .libr", "ary/x"), false);
    }
}
