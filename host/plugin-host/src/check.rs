//! What authors want to know of a plugin before it goes to a router. Looks; changes nothing, judges nothing.

use herdwick_fleet::PluginId;
use wasmtime::component::Component;

use crate::builtin;
use crate::engine;
use crate::package::{Package, Source};
use crate::set::PluginSet;

/// What one live plugin asks of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Which plugin.
    pub id: PluginId,
    /// The readings it wants, in its order; optional ones that this router does not have are left out.
    pub columns: Vec<&'static str>,
    /// The words it wants, in its order.
    pub words: Vec<&'static str>,
    /// Whether it wants to be allowed to refuse candidates.
    pub may_veto: bool,
}

impl PluginSet {
    /// What each of its plugins asks for, in the set's order.
    pub fn asks(&self) -> Vec<Asks> {
        let described = self.members().iter().map(|member| &member.loaded.described);
        let asks = described.map(|described| Asks {
            id: described.id.clone(),
            columns: described.columns.iter().flatten().map(|column| column.name()).collect(),
            words: described.words.clone(),
            may_veto: described.may_veto,
        });
        asks.collect()
    }
}

/// Whether a plugin of this name is part of the binary, so that a file with it replaces that one.
pub fn is_built_in(name: &str) -> bool {
    builtin::PACKAGES.iter().any(|package| matches!(package.source, Source::BuiltIn(built) if built == name))
}

/// The kinds of the contract that a component is built for, whether or not this router runs them: `signal`,
/// `fallback`, `health`. Empty for what is no component.
pub fn kinds(package: &Package) -> Vec<&'static str> {
    let Ok(engine) = engine::engine() else { return Vec::new() };
    let Ok(component) = Component::new(&engine, &package.bytes) else { return Vec::new() };
    let exported: Vec<String> =
        component.component_type().exports(&engine).map(|(name, _)| name.to_owned()).collect();
    let has = |kind: &&str| {
        let interface = format!("herdwick:plugin/{kind}@");
        exported.iter().any(|name| name.starts_with(&interface))
    };
    ["signal", "fallback", "health"].into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_what_is_exported() {
        let package =
            |bytes: &'static [u8]| Package { source: Source::Named("p".to_owned()), bytes: bytes.into() };
        let check = |bytes: &'static [u8], expected: &[&str]| assert_eq!(kinds(&package(bytes)), expected);
        check(include_bytes!("../../../plugins/prebuilt/queue-depth.wasm"), &["signal"]);
        check(include_bytes!("../../../plugins/prebuilt/next-best-node.wasm"), &["fallback"]);
        check(include_bytes!("../../../plugins/prebuilt/nodes.wasm"), &["health"]);
        check(b"#!/bin/sh", &[]);
    }

    #[test]
    fn the_built_in_names_are_known() {
        assert!(is_built_in("queue-depth") && !is_built_in("my-signal"));
    }
}
