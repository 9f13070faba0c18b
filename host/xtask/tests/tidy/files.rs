//! A Rust file opens with a sentence that says what it is for, and no source file outgrows a reader.

use super::tree::Tree;

/// Beyond this, a file is more than one idea.
const LONGEST: usize = 700;
/// Fewer words than this say nothing.
const FEWEST_WORDS: usize = 3;

/// Rust files without an opening `//!` sentence.
pub(crate) fn headers(tree: &Tree) -> Vec<String> {
    tree.rust()
        .filter(|file| !opens_with_a_sentence(&file.text()))
        .map(|file| {
            format!("{}: begin with a `//!` sentence: what it is for, what it must not know", file.path)
        })
        .collect()
}

/// Source files over the limit.
pub(crate) fn lengths(tree: &Tree) -> Vec<String> {
    let sources = tree.files.iter().filter(|file| ["rs", "js", "css"].contains(&file.extension()));
    sources
        .filter_map(|file| {
            let lines = file.text().lines().count();
            let problem = format!("{} has {lines} lines, over {LONGEST}: split it by idea", file.path);
            (lines > LONGEST).then_some(problem)
        })
        .collect()
}

/// Whether the first line that is neither blank nor an inner attribute (or `#!` line) is a sentence of docs.
fn opens_with_a_sentence(text: &str) -> bool {
    let mut in_attribute = false;
    for line in text.lines().map(str::trim) {
        if in_attribute || line.starts_with("#!") {
            in_attribute = (in_attribute || line.starts_with("#![")) && !line.ends_with(']');
        } else if !line.is_empty() {
            let sentence = line.strip_prefix("//!").unwrap_or_default();
            return sentence.split_whitespace().count() >= FEWEST_WORDS;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_sentence_before_any_code() {
        let check = |text: &str, good: bool| {
            assert_eq!(headers(&Tree::of(&[("host/x/src/a.rs", text)])).is_empty(), good, "{text:?}");
        };
        check("//! What this is for.\n", true);
        check("#!/usr/bin/env cargo\n#![allow(a)]\n\n#![allow(\n  b\n)]\n//! What this is for.\n", true);
        check("", false);
        check("//! Stub\n", false);
        check("// What this is for.\n", false);
        check("use std::fs;\n//! What this is for.\n", false);
    }

    #[test]
    fn a_file_of_the_limit_passes_and_one_more_line_fails() {
        let check = |name: &str, lines: usize, good: bool| {
            assert_eq!(
                lengths(&Tree::of(&[(name, &"x\n".repeat(lines))])).is_empty(),
                good,
                "{name} {lines}"
            );
        };
        check("a.rs", LONGEST, true);
        check("a.rs", LONGEST + 1, false);
        check("a.js", LONGEST + 1, false);
        check("a.css", LONGEST + 1, false);
        check("a.md", LONGEST + 1, true);
    }
}
