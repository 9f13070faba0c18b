//! The contract does not change without a line in its list of changes, which carries the digest of the text.

use xtask::text;

/// As many hex digits as tell versions apart.
const DIGITS: usize = 16;

/// What is wrong with the last line of the list under the heading "Changes".
pub(crate) fn check(wit: &str, readme: &str) -> Vec<String> {
    let digest = text::sha256_of_text(wit.as_bytes());
    let wanted = format!("`sha256:{}`", digest.get(..DIGITS).unwrap_or_default());
    let is_heading = |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == "Changes";
    let section = readme.lines().skip_while(|line| !is_heading(line)).skip(1);
    let last = section.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with("- ")).last();
    let words: Vec<&str> = last.unwrap_or_default().splitn(4, ' ').collect();
    match words.as_slice() {
        ["-", date, found, what] if is_date(date) && *found == wanted && !what.trim().is_empty() => {
            Vec::new()
        }
        _ => vec![format!(
            "wit/plugin.wit changed: add to the end of the list under `Changes` in wit/README.md:\n\
             - YYYY-MM-DD {wanted} what changed and what an author must do"
        )],
    }
}

fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of "abc".
    const LINE: &str = "- 2026-11-25 `sha256:ba7816bf8f01cfea` first version";

    #[test]
    fn the_last_line_carries_the_digest() {
        let check = |wit: &str, readme: &str, good: bool| {
            assert_eq!(check(wit, readme).is_empty(), good, "{readme}");
        };
        let older = "- 2026-11-24 `sha256:0000000000000000` before";
        check("abc", &format!("# A\n\n## Changes\n\n{older}\n{LINE}\n  goes on\n\n## B\n- x\n"), true);
        check("abd", &format!("## Changes\n{LINE}\n"), false);
        check("abc", &format!("## Changes\n{LINE}\n{older}\n"), false);
        check("abc", &format!("{LINE}\n"), false);
        check("abc", "## Changes\n", false);
        check("abc", "", false);
        check("abc", "## Changes\n- 2026-11-25 `sha256:ba7816bf8f01cfea`\n", false);
        check("abc", "## Changes\n- today `sha256:ba7816bf8f01cfea` first version\n", false);
    }
}
