//! What makes a test say less than it seems to: skipped tests, open ends, and sleeping instead of waiting.

use super::tree::Tree;

/// Nowhere in Rust files. Put together at compile time, so that this file does not find itself.
const NOWHERE: [(&str, &str); 3] = [
    (concat!("#[", "ignore"), "run it or remove it; what is hard to run is a task of xtask"),
    (concat!("to", "do!"), "finish it or do not begin it"),
    (concat!("unimple", "mented!"), "finish it or do not begin it"),
];
/// Not in tests, unless the line before says why.
const SLEEPS: [&str; 2] = [concat!("thread::", "sleep"), concat!("time::", "sleep(")];
const EXCUSE: &str = "// sleeps because";

/// Lines that take a shortcut.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for file in tree.rust() {
        let mut in_test = file.is_test();
        let mut before = "";
        for (index, line) in file.text().lines().map(str::trim).enumerate() {
            let place = format!("{}:{}", file.path, index + 1);
            in_test |= line.starts_with("#[cfg(test)]");
            if !line.starts_with("//") {
                for (banned, advice) in NOWHERE.iter().filter(|(banned, _)| line.contains(banned)) {
                    problems.push(format!("{place}: `{banned}`: {advice}"));
                }
                if in_test && !before.starts_with(EXCUSE) && SLEEPS.iter().any(|sleep| line.contains(sleep)) {
                    problems.push(format!(
                        "{place}: wait for the thing itself, with a bound; if nothing can be waited for, say why \
                         on the line before: `{EXCUSE} …`"
                    ));
                }
            }
            before = line;
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_are_found_where_they_count() {
        let check = |path: &str, text: &str, good: bool| {
            let found = check(&Tree::of(&[(path, text)]));
            assert_eq!(found.is_empty(), good, "{path} {text} {found:?}");
        };
        let sleep = concat!("std::thread::", "sleep(MS);");
        check("host/a/src/b.rs", sleep, true);
        check("host/a/tests/b.rs", sleep, false);
        check("tests/acceptance/b.rs", concat!("tokio::time::", "sleep(MS).await;"), false);
        check("host/a/src/b.rs", &format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}"), false);
        check(
            "host/a/tests/b.rs",
            &format!("  // sleeps because the file system has no events\n  {sleep}"),
            true,
        );
        check("host/a/tests/b.rs", &format!("// sleeps because\n\n{sleep}"), false);
        check("host/a/src/b.rs", concat!("#[", "ignore = \"slow\"]"), false);
        check("host/a/src/b.rs", concat!("to", "do!()"), false);
        check("host/a/src/b.rs", concat!("unimple", "mented!()"), false);
        check("host/a/src/b.rs", concat!("// a to", "do! in a comment is prose"), true);
    }
}
