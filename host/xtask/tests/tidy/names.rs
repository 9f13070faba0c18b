//! Files, folders and modules are named after what they do; these names say nothing and attract everything.

use super::tree::Tree;

const BANNED: [&str; 8] = ["worker", "workers", "manager", "helper", "helpers", "util", "utils", "common"];

/// Rust files, folders of Rust files and inline modules with a banned name.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for file in tree.rust() {
        let parts = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for part in parts.filter(|part| says_nothing(part)) {
            problems.push(format!("{}: `{part}` says nothing; name it after what it does", file.path));
        }
        for module in file.text().lines().filter_map(module_of).filter(|module| says_nothing(module)) {
            problems
                .push(format!("{}: module `{module}` says nothing; name it after what it does", file.path));
        }
    }
    problems
}

fn says_nothing(name: &str) -> bool {
    name.split(['_', '-']).any(|word| BANNED.contains(&word))
}

/// The name a line declares a module by.
fn module_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let declared = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
    declared.strip_prefix("mod ")?.split([' ', ';', '{']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_refused_wherever_they_stand() {
        let check = |path: &str, text: &str, good: bool| {
            assert_eq!(check(&Tree::of(&[(path, text)])).is_empty(), good, "{path} {text}");
        };
        check("host/proxy/src/relay.rs", "mod tests {}", true);
        check("host/proxy/src/utility.rs", "pub mod commonplace;", true);
        check("host/proxy/src/utils.rs", "", false);
        check("host/proxy/src/pool_manager.rs", "", false);
        check("host/common/src/relay.rs", "", false);
        check("host/proxy/src/relay.rs", "    pub(crate) mod helpers {", false);
        check("host/proxy/src/relay.rs", "mod worker;", false);
    }
}
