//! The kinds of plugins, and what their worlds have in common: every plugin describes itself and takes settings.

use wasmtime::Store;

use crate::bindings::fallback::{FallbackPlugin, FallbackPluginPre};
use crate::bindings::health::{HealthPlugin, HealthPluginPre};
use crate::bindings::{SignalPlugin, SignalPluginPre, exports, fallback, health};
use crate::sandbox::Sandbox;
use crate::topology::Topology;

pub(crate) use crate::bindings::herdwick::plugin::types::{Backend, Model, Setting, Value};
pub(crate) use exports::herdwick::plugin::lifecycle::Manifest;

/// The contract's package.
pub(crate) const PACKAGE: &str = "herdwick:plugin";
/// The version of it that this router hosts.
pub(crate) const VERSION: &str = "0.1.0";

/// What a plugin is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What a request would cost on each candidate.
    Signal,
    /// What to do after a failed attempt.
    Fallback,
    /// What is wrong with the fleet.
    Health,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::Signal, Self::Fallback, Self::Health];

    /// As it is written in manifests; also the name of the interface that makes a plugin one of this kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Fallback => "fallback",
            Self::Health => "health",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// One instance of one world. Each world's bindings are types of their own, also where the text is the same.
pub(crate) trait World: Sized {
    /// The component with its imports resolved and its exports found.
    type Pre;

    /// Finds the world's exports.
    fn find(pre: wasmtime::component::InstancePre<Sandbox>) -> wasmtime::Result<Self::Pre>;
    fn instantiate(pre: &Self::Pre, store: &mut Store<Sandbox>) -> wasmtime::Result<Self>;
    fn describe(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Manifest>;
    fn configure(
        &self,
        store: &mut Store<Sandbox>,
        settings: &[Setting],
    ) -> wasmtime::Result<Result<(), Vec<String>>>;
    fn topology(&self, store: &mut Store<Sandbox>, topology: &Topology) -> wasmtime::Result<()>;
}

impl World for SignalPlugin {
    type Pre = SignalPluginPre<Sandbox>;

    fn find(pre: wasmtime::component::InstancePre<Sandbox>) -> wasmtime::Result<Self::Pre> {
        SignalPluginPre::new(pre)
    }

    fn instantiate(pre: &Self::Pre, store: &mut Store<Sandbox>) -> wasmtime::Result<Self> {
        pre.instantiate(store)
    }

    fn describe(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Manifest> {
        self.herdwick_plugin_lifecycle().call_describe(store)
    }

    fn configure(
        &self,
        store: &mut Store<Sandbox>,
        settings: &[Setting],
    ) -> wasmtime::Result<Result<(), Vec<String>>> {
        self.herdwick_plugin_lifecycle().call_configure(store, settings)
    }

    fn topology(&self, store: &mut Store<Sandbox>, topology: &Topology) -> wasmtime::Result<()> {
        let generation = generation(topology);
        self.herdwick_plugin_lifecycle().call_topology(
            store,
            generation,
            &topology.models,
            &topology.backends,
        )
    }
}

impl World for FallbackPlugin {
    type Pre = FallbackPluginPre<Sandbox>;

    fn find(pre: wasmtime::component::InstancePre<Sandbox>) -> wasmtime::Result<Self::Pre> {
        FallbackPluginPre::new(pre)
    }

    fn instantiate(pre: &Self::Pre, store: &mut Store<Sandbox>) -> wasmtime::Result<Self> {
        pre.instantiate(store)
    }

    fn describe(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Manifest> {
        let fallback::exports::herdwick::plugin::lifecycle::Manifest {
            name,
            version,
            summary,
            columns,
            words,
            wants_topology,
            may_veto,
        } = self.herdwick_plugin_lifecycle().call_describe(store)?;
        Ok(Manifest { name, version, summary, columns, words, wants_topology, may_veto })
    }

    fn configure(
        &self,
        store: &mut Store<Sandbox>,
        settings: &[Setting],
    ) -> wasmtime::Result<Result<(), Vec<String>>> {
        self.herdwick_plugin_lifecycle().call_configure(store, settings)
    }

    fn topology(&self, store: &mut Store<Sandbox>, topology: &Topology) -> wasmtime::Result<()> {
        let generation = generation(topology);
        self.herdwick_plugin_lifecycle().call_topology(
            store,
            generation,
            &topology.models,
            &topology.backends,
        )
    }
}

impl World for HealthPlugin {
    type Pre = HealthPluginPre<Sandbox>;

    fn find(pre: wasmtime::component::InstancePre<Sandbox>) -> wasmtime::Result<Self::Pre> {
        HealthPluginPre::new(pre)
    }

    fn instantiate(pre: &Self::Pre, store: &mut Store<Sandbox>) -> wasmtime::Result<Self> {
        pre.instantiate(store)
    }

    fn describe(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Manifest> {
        let health::exports::herdwick::plugin::lifecycle::Manifest {
            name,
            version,
            summary,
            columns,
            words,
            wants_topology,
            may_veto,
        } = self.herdwick_plugin_lifecycle().call_describe(store)?;
        Ok(Manifest { name, version, summary, columns, words, wants_topology, may_veto })
    }

    fn configure(
        &self,
        store: &mut Store<Sandbox>,
        settings: &[Setting],
    ) -> wasmtime::Result<Result<(), Vec<String>>> {
        self.herdwick_plugin_lifecycle().call_configure(store, settings)
    }

    fn topology(&self, store: &mut Store<Sandbox>, topology: &Topology) -> wasmtime::Result<()> {
        let generation = generation(topology);
        self.herdwick_plugin_lifecycle().call_topology(
            store,
            generation,
            &topology.models,
            &topology.backends,
        )
    }
}

/// The contract counts to 2^32 and begins again: a plugin only compares for equality.
fn generation(topology: &Topology) -> u32 {
    (topology.generation.0 & u64::from(u32::MAX)) as u32
}
