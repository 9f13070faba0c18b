//! Finds a plugin's manifest in its bytes without compiling them. Knows where it stands, not what it says.
//!
//! SDKs write it into the core module, where it survives linking and encoding and ends up nested; tools append it
//! to the finished component. So every depth is searched, and the outermost stands for the file as it is now.

use wasmparser::{Parser, Payload};

use crate::limits::SIDECAR_BYTES as BYTES;

/// The custom section's name.
const NAME: &str = "herdwick:manifest";

/// The manifest's text; `None` if there is none, or if the bytes are so broken that the compiler will say more.
pub(crate) fn find(bytes: &[u8]) -> Result<Option<&str>, String> {
    let mut depth = 0_usize;
    let mut found: Option<Found<'_>> = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else {
            return Ok(None);
        };
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == NAME => {
                let data = section.data();
                match &mut found {
                    Some(have) if have.depth < depth => {}
                    Some(have) if have.depth == depth => have.twice = true,
                    _ => found = Some(Found { depth, data, twice: false }),
                }
            }
            _ => {}
        }
    }
    match found {
        None => Ok(None),
        Some(Found { twice: true, .. }) => {
            Err(format!("has two manifests ({NAME} sections) side by side; build it again with one"))
        }
        Some(Found { data, .. }) if data.len() > BYTES => {
            Err(format!("has a manifest of {} bytes, at most {BYTES} are possible", data.len()))
        }
        Some(Found { data, .. }) => std::str::from_utf8(data)
            .map(Some)
            .map_err(|_| "has a manifest that is no text; build it again".to_owned()),
    }
}

struct Found<'a> {
    depth: usize,
    data: &'a [u8],
    /// Whether there was another at this depth.
    twice: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"(core module (@custom "herdwick:manifest" "inner"))"#;

    fn check(text: &str, wanted: Result<Option<&str>, &str>) {
        let bytes = wat::parse_str(text).expect("valid text");
        match (find(&bytes), wanted) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{text}"),
            (Err(problem), Err(told)) => assert!(problem.contains(told), "{problem}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn the_outermost_manifest_stands() {
        check("(component)", Ok(None));
        check(r#"(module (@custom "herdwick:manifest" "m"))"#, Ok(Some("m")));
        check(&format!("(component {MODULE})"), Ok(Some("inner")));
        check(&format!("(component (component {MODULE}))"), Ok(Some("inner")));
        let outer = r#"(@custom "herdwick:manifest" "outer")"#;
        check(&format!("(component {outer} {MODULE})"), Ok(Some("outer")));
        check(&format!("(component {MODULE} {outer})"), Ok(Some("outer")));
        check(&format!("(component {MODULE} {MODULE} {outer})"), Ok(Some("outer")));
        check(&format!("(component {MODULE} (component {MODULE}))"), Ok(Some("inner")));
    }

    #[test]
    fn two_side_by_side_are_refused() {
        check(&format!("(component {MODULE} {MODULE})"), Err("two manifests"));
        check(
            r#"(module (@custom "herdwick:manifest" "a") (@custom "herdwick:manifest" "a"))"#,
            Err("two manifests"),
        );
    }

    #[test]
    fn what_is_no_manifest_is_refused_and_what_is_no_wasm_is_left_to_the_compiler() {
        check(r#"(module (@custom "herdwick:manifest" "\ff"))"#, Err("no text"));
        let long = "x".repeat(BYTES + 1);
        check(&format!(r#"(module (@custom "herdwick:manifest" "{long}"))"#), Err("65537 bytes"));
        assert_eq!(find(b"\0asm\x0d\0\x01\0\xff"), Ok(None));
    }
}
