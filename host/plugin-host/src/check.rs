//! What authors want to know of a plugin before it goes to a router. Looks; changes nothing, judges nothing.

use herdwick_fleet::PluginId;

use crate::builtin;
use crate::load::Plugin;
use crate::package::{Package, Source};
use crate::sandbox::printable;
use crate::set::PluginSet;
use crate::wanted;

/// What one live plugin asks of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Which plugin.
    pub id: PluginId,
    /// The readings it wants, in its order; `None` for an optional one that this router does not have.
    pub columns: Vec<Option<&'static str>>,
    /// The words it wants, in its order.
    pub words: Vec<&'static str>,
    /// Whether it wants to be told who is in the fleet.
    pub wants_topology: bool,
    /// Whether it wants to refuse candidates, and has the right to.
    pub may_veto: bool,
}

impl PluginSet {
    /// Its plugins, in the set's order, to be asked beside it.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.members().iter().map(|member| &*member.plugin)
    }

    /// What each of its plugins asks for, in the set's order.
    pub fn asks(&self) -> Vec<Asks> {
        let described = self.members().iter().map(|member| member.described());
        let asks = described.map(|described| Asks {
            id: described.id.clone(),
            columns: described.columns.iter().map(|column| Some((*column)?.name())).collect(),
            words: described.words.clone(),
            wants_topology: described.wants_topology,
            may_veto: described.may_veto,
        });
        asks.collect()
    }
}

/// Whether a plugin of this name is part of the binary, so that a file with it replaces that one.
pub fn is_built_in(name: &str) -> bool {
    builtin::PACKAGES.iter().any(|package| matches!(package.source, Source::BuiltIn(built) if built == name))
}

/// The name in a package's manifest, under which an operator would speak of it. Known before it is loaded; `None`
/// where there is no manifest, or none that can be read.
pub fn declared_name(package: &Package) -> Option<String> {
    wanted::read(package).ok()?.id
}

/// A text as the router shows it after a plugin said it: on one line, cut at so many bytes.
pub fn as_shown(text: &str, bytes: usize) -> String {
    printable(text, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_before_anything_runs() {
        let package = |bytes: &'static [u8]| Package {
            source: Source::Named("p".to_owned()),
            bytes: bytes.into(),
            sidecar: None,
        };
        let built = package(include_bytes!("../../../plugins/prebuilt/queue-depth.wasm"));
        assert_eq!(declared_name(&built).as_deref(), Some("queue-depth"));
        assert_eq!(declared_name(&package(b"#!/bin/sh")), None);
    }

    #[test]
    fn the_built_in_names_are_known() {
        assert!(is_built_in("queue-depth") && !is_built_in("my-signal"));
    }
}
