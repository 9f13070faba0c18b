//! One plugin of a set: a loaded version and what the operator says about it.

use std::sync::Arc;

use herdwick_fleet::PluginId;

use crate::config::{Grant, Mode, OnFault, PluginConfig};
use crate::load::Loaded;
use crate::package::Source;
use crate::stats::Stats;

/// A plugin that can be asked, and how.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) config: PluginConfig,
    pub(crate) stats: Arc<Stats>,
}

impl Member {
    pub(crate) fn id(&self) -> &PluginId {
        &self.loaded.described.id
    }

    pub(crate) fn source(&self) -> &Source {
        &self.loaded.source
    }

    /// Whether its vetoes count: it must want the right, and either be part of this binary or be granted it.
    pub(crate) fn may_veto(&self) -> bool {
        let granted =
            matches!(self.source(), Source::BuiltIn(_)) || self.config.grants.contains(&Grant::Veto);
        self.loaded.described.may_veto && granted
    }

    pub(crate) fn is_shadow(&self) -> bool {
        self.config.mode == Mode::Shadow
    }

    pub(crate) fn on_fault(&self) -> OnFault {
        self.config.on_fault.unwrap_or_default()
    }

    /// Whether asking it gives the same answers as asking `other`.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.loaded.digest == other.loaded.digest
            && self.source() == other.source()
            && self.config == other.config
    }
}
