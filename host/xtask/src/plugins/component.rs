//! From a core module to a component that carries its stamp.

use std::borrow::Cow;

use anyhow::{Context, Result};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

use super::stamp::{SECTION, Stamp};

/// Encodes and validates the component, then stamps it.
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
