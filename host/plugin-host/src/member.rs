//! One plugin of a set: a loaded version and what the operator says about it.

use std::sync::Arc;

use herdwick_fleet::PluginId;

use crate::config::{Mode, OnFault, PluginConfig};
use crate::fault::Fault;
use crate::instance::Instance;
use crate::instance_fallback::FallbackInstance;
use crate::load::Plugin;
use crate::manifest::Described;
use crate::stats::Stats;
use crate::topology::{Ground, Topology};

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

    /// What a lane needs of it, knowing the fleet if it wants to.
    pub(crate) fn guest(&self, ground: &Ground) -> Result<Guest, Fault> {
        let Ground { engine, ticker, topology } = ground;
        let mut guest = match &*self.plugin {
            Plugin::Signal(signal) => Guest::Signal(signal.0.instance(engine, ticker)?),
            Plugin::Fallback(fallback) => Guest::Fallback(fallback.instance()?),
            Plugin::Health(_) => Guest::Idle,
        };
        self.tell(&mut guest, &topology.load())?;
        Ok(guest)
    }

    /// Tells it who is in the fleet, if it wants to know.
    pub(crate) fn tell(&self, guest: &mut Guest, topology: &Topology) -> Result<(), Fault> {
        match guest {
            _ if !self.described().wants_topology => Ok(()),
            Guest::Signal(signal) => signal.topology(topology),
            Guest::Fallback(rule) => rule.0.topology(topology),
            Guest::Idle => Ok(()),
        }
    }
}
