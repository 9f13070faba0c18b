//! Who a plugin is, read from its `plugin.toml` at compile time, so that name and version are written once.
//! Must not know: the rest of `plugin.toml`, which the router and the native checks read.

/// The identity that `describe` answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The plugin's name, the key `id`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
}

impl Identity {
    /// Reads a manifest. Meant for constants: a manifest without one of the keys does not compile.
    #[expect(clippy::panic, reason = "evaluated at compile time, where it is a compile error with this text")]
    pub const fn of(manifest: &'static str) -> Identity {
        match (text(manifest, "id"), text(manifest, "version"), text(manifest, "summary")) {
            (Some(name), Some(version), Some(summary)) => Identity { name, version, summary },
            _ => panic!(
                "plugin.toml must begin with `id`, `version` and `summary`, each `key = \"text\"` on a line"
            ),
        }
    }
}

/// The bytes of a text as an array: what a custom section of a component is made of.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a bad index is a compile error"
)]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = text.as_bytes()[at];
        at += 1;
    }
    bytes
}

/// The text after `key = "` on a line of its own, before the first table. Escapes are not read but refused.
#[expect(clippy::indexing_slicing, reason = "every index is compared with the length first")]
pub(crate) const fn text<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    let (bytes, key) = (manifest.as_bytes(), key.as_bytes());
    let mut line = 0;
    while line < bytes.len() && bytes[line] != b'[' {
        let mut at = 0;
        while at < key.len() && line + at < bytes.len() && bytes[line + at] == key[at] {
            at += 1;
        }
        if at == key.len()
            && let Some(start) = after(bytes, line + at, b'=')
            && let Some(start) = after(bytes, start, b'"')
        {
            return quoted(manifest, start);
        }
        while line < bytes.len() && bytes[line] != b'\n' {
            line += 1;
        }
        line += 1;
    }
    None
}

/// The place behind `wanted` when it comes next, apart from blanks.
#[expect(clippy::indexing_slicing, reason = "every index is compared with the length first")]
const fn after(bytes: &[u8], mut at: usize, wanted: u8) -> Option<usize> {
    while at < bytes.len() && bytes[at] == b' ' {
        at += 1;
    }
    if at < bytes.len() && bytes[at] == wanted { Some(at + 1) } else { None }
}

/// The text from `start` to the next quotation mark.
#[expect(clippy::indexing_slicing, reason = "every index is compared with the length first")]
const fn quoted(manifest: &str, start: usize) -> Option<&str> {
    let bytes = manifest.as_bytes();
    let mut end = start;
    while end < bytes.len() && bytes[end] != b'"' {
        if bytes[end] == b'\n' || bytes[end] == b'\\' {
            return None;
        }
        end += 1;
    }
    if end == bytes.len() {
        return None;
    }
    Some(manifest.split_at(start).1.split_at(end - start).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_read_from_the_lines_before_the_first_table() {
        const TOML: &str = "# id = \"no\"\nid = \"a-b\"\nversion=\"1.2.3\"\nsummary =  \"Größe, kurz\"\n";
        const IDENTITY: Identity = Identity::of(TOML);
        assert_eq!(IDENTITY, Identity { name: "a-b", version: "1.2.3", summary: "Größe, kurz" });
    }

    #[test]
    fn what_is_missing_escaped_open_or_in_a_table_is_not_found() {
        for toml in [
            "",
            "id",
            "id = ",
            "id = 3",
            "id = \"a",
            "id = \"a\nb\"",
            "id = \"\\\"\"",
            "[x]\nid = \"a\"",
            "ident = \"a\"",
        ] {
            assert_eq!(text(toml, "id"), None, "{toml}");
        }
    }

    #[test]
    fn bytes_are_those_of_the_text() {
        assert_eq!(bytes::<3>("abc"), *b"abc");
    }
}
