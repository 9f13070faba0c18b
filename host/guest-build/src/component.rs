//! From a core module to a component that carries its stamp.

use std::borrow::Cow;

use anyhow::{Context, Result};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

use crate::stamp::{SECTION, Stamp};

/// The encoder that this crate is linked with. Its version decides bytes; a test holds it against the manifest.
pub const ENCODER: &str = "wit-component 0.254.2";

/// Encodes and validates the component, then stamps it.
///
/// # Errors
/// The module is none, or does not fit the contract.
pub fn encode(module: &[u8], stamp: &Stamp) -> Result<Vec<u8>> {
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context(
            "the module does not carry the contract's types; does the crate use the SDK's export macro?",
        )?
        .encode()
        .context("the module does not fit the contract it names")?;
    append(&mut component, stamp);
    Ok(component)
}

/// Appends the stamp at top level, where only whoever built the component can have put it.
pub fn append(component: &mut Vec<u8>, stamp: &Stamp) {
    let text = stamp.to_text();
    let section = CustomSection { name: Cow::Borrowed(SECTION), data: Cow::Borrowed(text.as_bytes()) };
    section.append_to_component(component);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_is_the_one_that_is_linked() {
        let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
        let version = manifest["workspace"]["dependencies"]["wit-component"].as_str().unwrap();
        assert_eq!(ENCODER, format!("wit-component {}", version.trim_start_matches('=')));
    }
}
