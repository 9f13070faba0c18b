//! One plugin of a set: a loaded version and what the operator says about it.

use std::sync::Arc;

use herdwick_fleet::PluginId;
use wasmtime::Engine;

use crate::config::{Mode, OnFault, PluginConfig};
use crate::engine::Ticker;
use crate::fault::Fault;
use crate::instance::Instance;
use crate::instance_fallback::FallbackInstance;
use crate::load::Plugin;
use crate::manifest::Described;
use crate::stats::Stats;

/// A plugin that can be asked, and how.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) config: PluginConfig,
    pub(crate) stats: Arc<Stats>,
}

/// What a lane holds of a member.
pub(crate) enum Guest {
    Signal(Instance),
    Fallback(FallbackInstance),
    /// A health plugin: asked by nobody on the path of a request.
    Idle,
}

impl Member {
    pub(crate) fn id(&self) -> &PluginId {
        self.plugin.id()
    }

    pub(crate) fn described(&self) -> &Described {
        self.plugin.described()
    }

    pub(crate) fn is_shadow(&self) -> bool {
        self.config.mode == Mode::Shadow
    }

    pub(crate) fn on_fault(&self) -> OnFault {
        self.plugin.on_fault()
    }

    /// Whether it is not to be asked at all: weight 0 switches a plugin off.
    pub(crate) fn is_off(&self) -> bool {
        self.config.weight == 0.0 || self.stats.is_out()
    }

    /// Whether asking it gives the same answers as asking `other`, counted the same way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plugin, &other.plugin)
            && self.config.weight.to_bits() == other.config.weight.to_bits()
            && self.config.mode == other.config.mode
    }

    /// What a lane needs of it.
    pub(crate) fn guest(&self, engine: &Engine, ticker: &Arc<Ticker>) -> Result<Guest, Fault> {
        match &*self.plugin {
            Plugin::Signal(signal) => signal.0.instance(engine, ticker).map(Guest::Signal),
            Plugin::Fallback(fallback) => fallback.instance().map(Guest::Fallback),
            Plugin::Health(_) => Ok(Guest::Idle),
        }
    }
}
