//! Walks the top-level sections of a component, far enough to find a custom section by name.
//! Nested modules are skipped: what a build appends stands at top level, and nobody else may speak for it.

use anyhow::{Context, Result, bail, ensure};

/// Magic number, version and layer of a component.
const COMPONENT_HEADER: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
/// Id of a custom section, in modules and components alike.
const CUSTOM: u8 = 0;

/// The data of the one top-level custom section with this name.
pub(crate) fn custom<'a>(component: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    let mut rest = component.strip_prefix(&COMPONENT_HEADER).context("is not a WebAssembly component")?;
    let mut found = None;
    while let Some((id, after)) = rest.split_first() {
        let (body, after) = prefixed(after).context("ends within a section")?;
        rest = after;
        if *id != CUSTOM {
            continue;
        }
        let (section, data) = prefixed(body).context("has a custom section without a name")?;
        if section == name.as_bytes() {
            ensure!(found.is_none(), "has two sections named {name}");
            found = Some(data);
        }
    }
    Ok(found)
}

/// Splits off a run of bytes that its length stands in front of.
fn prefixed(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = leb128(bytes)?;
    let length = usize::try_from(length)?;
    rest.split_at_checked(length)
        .with_context(|| format!("{length} bytes announced, {} are left", rest.len()))
}

/// Reads an unsigned LEB128 number of at most 32 bits.
fn leb128(bytes: &[u8]) -> Result<(u32, &[u8])> {
    let mut value: u64 = 0;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first().context("ends within a number")?;
        rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((u32::try_from(value).context("number is longer than 32 bits")?, rest));
        }
    }
    bail!("number is longer than 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(sections: &[&[u8]]) -> Vec<u8> {
        [&COMPONENT_HEADER, sections.concat().as_slice()].concat()
    }

    /// Section 1 is a nested core module; it may hold any bytes, a custom section of that name among them.
    const NESTED: &[u8] = &[1, 4, 0, 2, 1, b'a'];
    const A: &[u8] = &[0, 4, 1, b'a', 7, 8];

    #[test]
    fn finds_a_section_at_top_level_only() {
        assert_eq!(custom(&component(&[NESTED, A]), "a").unwrap(), Some(&[7, 8][..]));
        assert_eq!(custom(&component(&[NESTED]), "a").unwrap(), None);
        assert_eq!(custom(&component(&[A]), "b").unwrap(), None);
        assert_eq!(custom(&component(&[]), "a").unwrap(), None);
    }

    #[test]
    fn refuses_what_is_not_a_whole_component() {
        let check = |bytes: &[u8], wanted: &str| {
            let error = format!("{:#}", custom(bytes, "a").unwrap_err());
            assert!(error.contains(wanted), "{error}");
        };
        check(b"", "not a WebAssembly component");
        check(b"\0asm\x01\0\0\0", "not a WebAssembly component");
        check(&component(&[A, A]), "two sections named a");
        check(&component(&[&[0]]), "ends within a section");
        check(&component(&[&[0, 9, 1, b'a']]), "9 bytes announced, 2 are left");
        check(&component(&[&[0, 1, 5]]), "without a name");
        check(&component(&[&[0, 0x80, 0x80, 0x80, 0x80, 0x80, 0]]), "longer than 32 bits");
        check(&component(&[&[0, 0xff, 0xff, 0xff, 0xff, 0x7f]]), "longer than 32 bits");
    }

    #[test]
    fn reads_lengths_of_more_than_one_byte() {
        let long = [&[0, 0x83, 0x01, 1, b'a'][..], &[5; 129]].concat();
        assert_eq!(custom(&component(&[&long]), "a").unwrap().unwrap().len(), 129);
    }
}
