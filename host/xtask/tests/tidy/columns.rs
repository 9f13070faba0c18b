//! The SDK names the readings that the host offers, no more and no fewer. The two share no code on purpose: an
//! SDK that imported the host would make every plugin depend on it.

use std::collections::BTreeSet;

use super::tree::Tree;

/// Where each side spells its names, as a file and the folder of its submodules.
const HOST: [&str; 2] = ["host/fleet/src/column.rs", "host/fleet/src/column/"];
const SDK: [&str; 2] = ["sdk/rust/src/column.rs", "sdk/rust/src/column/"];

/// Names that only one side knows.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let (host, sdk) = (names(tree, HOST), names(tree, SDK));
    if host.is_empty() || sdk.is_empty() {
        return vec![format!(
            "found no column names in {} or {}; say here where they moved",
            HOST[0], SDK[0]
        )];
    }
    let only_host = host.difference(&sdk).map(|name| format!("{name} is missing in {}", SDK[1]));
    let only_sdk = sdk.difference(&host).map(|name| format!("{name} is missing in {}", HOST[0]));
    only_host.chain(only_sdk).collect()
}

fn names(tree: &Tree, places: [&str; 2]) -> BTreeSet<String> {
    let [file, folder] = places;
    let files = tree.rust().filter(|found| found.path == file || found.path.starts_with(folder));
    files.flat_map(|file| names_in(&file.text())).collect()
}

/// The string literals outside tests and comments that look like `word.words-with-dashes`.
fn names_in(text: &str) -> Vec<String> {
    let code = text.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]"));
    let code = code.filter(|line| !line.trim_start().starts_with("//"));
    let literals = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    literals.filter(|literal| is_name(literal)).map(str::to_owned).collect()
}

fn is_name(literal: &str) -> bool {
    let Some((group, reading)) = literal.split_once('.') else {
        return false;
    };
    let is_word = |word: &str, extra: &[u8]| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || extra.contains(&byte))
    };
    is_word(group, b"") && is_word(reading, b"0123456789-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_more_on_either_side_is_a_problem() {
        let check = |host: &str, sdk: &str, problems: usize| {
            let tree = Tree::of(&[("host/fleet/src/column.rs", host), ("sdk/rust/src/column/known.rs", sdk)]);
            assert_eq!(check(&tree).len(), problems, "{host} {sdk}");
        };
        let sdk = "pub const A: Column = known(\"queue.depth\"); // \"model.x\"\n/// \"no.no\"\nf(\"wait.p95-ms\");";
        check(
            "\"queue.depth\" Depth \"Its depth.\",\n\"wait.p95-ms\"",
            &sdk.replace("// \"model.x\"", ""),
            0,
        );
        check("\"queue.depth\"", "\"queue.depth\" \"wait.p95-ms\"", 1);
        check("\"queue.depth\" \"wait.p95-ms\"", "\"queue.depth\"", 1);
        check("\"queue.depth\"", "\"queue.dept\"", 2);
        check("\"queue.depth\"\n#[cfg(test)]\n\"wait.x\"", "\"queue.depth\"", 0);
        check("", "\"queue.depth\"", 1);
        check("\"queue.depth\"", "\"Queue.depth\" \"queue\" \"a b.c\" \"queue.\"", 1);
    }
}
