//! What changed in the fleet, as data: log, dashboard and store read the same events.

use std::fmt;
use std::sync::Arc;

use crate::model::ModelName;

/// A change that somebody may care about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A backend answers that did not before.
    Up {
        /// Its node's name.
        node: Arc<str>,
        /// The version it tells.
        version: Arc<str>,
    },
    /// A backend stopped answering.
    Down {
        /// Its node's name.
        node: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
    /// The models on a backend's disk changed.
    Models {
        /// Its node's name.
        node: Arc<str>,
        /// New ones.
        added: Vec<ModelName>,
        /// Ones that went.
        removed: Vec<ModelName>,
    },
    /// A model was loaded.
    Loaded {
        /// Its node's name.
        node: Arc<str>,
        /// Which.
        model: ModelName,
    },
    /// A model left memory.
    Unloaded {
        /// Its node's name.
        node: Arc<str>,
        /// Which.
        model: ModelName,
    },
}

impl Event {
    /// Whether it changes who can be asked for what, as opposed to how ready they are.
    pub fn is_topology(&self) -> bool {
        matches!(self, Self::Up { .. } | Self::Down { .. } | Self::Models { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { node, version } if version.is_empty() => write!(out, "{node} answers"),
            Self::Up { node, version } => write!(out, "{node} answers (version {version})"),
            Self::Down { node, why } => write!(out, "{node} does not answer: {why}"),
            Self::Models { node, added, removed } => {
                let models = |count: usize| if count == 1 { "model" } else { "models" };
                match (added.len(), removed.len()) {
                    (new, 0) => write!(out, "{node} has {new} new {}", models(new)),
                    (0, lost) => write!(out, "{node} lost {lost} {}", models(lost)),
                    (new, lost) => write!(out, "{node} has {new} new {} and lost {lost}", models(new)),
                }
            }
            Self::Loaded { node, model } => write!(out, "{node} loaded {model}"),
            Self::Unloaded { node, model } => write!(out, "{node} unloaded {model}"),
        }
    }
}
