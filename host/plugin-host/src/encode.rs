//! From a core module, as compilers leave it, to a component. Needs the module's type inside, which every
//! `wit-bindgen` puts there.

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The name under which modules import WASI preview 1.
const PREVIEW1: &str = "wasi_snapshot_preview1";
/// What they get for it. The text beside it is what people read and change; the bytes are committed because
/// assembling them would put a parser of the text format into the router, and building them by hand with
/// wasm-encoder would be four times the text and half as clear.
pub(crate) const ADAPTER: &[u8] = include_bytes!("preview1.wasm");
/// The prefix of the custom sections with a module's type.
const TYPE_SECTION: &str = "component-type";

/// Why a module cannot be made a component.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// It does not say what its imports and exports mean.
    Untyped,
    /// The encoder's words.
    Refused(String),
}

/// Makes a component of a core module. The outcome is validated.
pub(crate) fn component(module: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let found = look(module).map_err(|error| EncodeError::Refused(error.to_string()))?;
    if !found.typed {
        return Err(EncodeError::Untyped);
    }
    let refused = |error| EncodeError::Refused(format!("{error:#}"));
    let mut encoder = ComponentEncoder::default().validate(true).module(module).map_err(refused)?;
    if found.preview1 {
        encoder = encoder.adapter(PREVIEW1, ADAPTER).map_err(refused)?;
    }
    encoder.encode().map_err(refused)
}

#[derive(Default)]
struct Found {
    typed: bool,
    preview1: bool,
}

fn look(module: &[u8]) -> wasmparser::Result<Found> {
    let mut found = Found::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::CustomSection(section) if section.name().starts_with(TYPE_SECTION) => found.typed = true,
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    found.preview1 |= import?.module == PREVIEW1;
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_is_its_text() {
        let text = include_str!("preview1.wat");
        let assembled = wat::parse_str(text).expect("the text is a module");
        if std::env::var_os("HERDWICK_BLESS").is_some() {
            let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/preview1.wasm");
            std::fs::write(place, &assembled).expect("the source tree can be written");
        }
        assert!(assembled == ADAPTER, "run this test again with HERDWICK_BLESS=1 in its environment");
    }
}
