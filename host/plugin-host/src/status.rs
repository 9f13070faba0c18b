//! What people are told about plugins: each one's state, and how the last change went.

use std::time::Duration;

use herdwick_fleet::{Generation, PluginId};

use crate::config::Mode;
use crate::fault::LoadError;
use crate::package::{Digest, Source};
use crate::world::Kind;

/// Whether a plugin takes part, and why not.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is asked.
    Live,
    /// The operator switched it off.
    Disabled,
    /// This version misbehaved and is out for a while.
    Quarantined {
        /// What it did last.
        why: String,
        /// Until it is tried again.
        left: Duration,
    },
    /// The operator took the newest version back; an older one runs.
    RolledBack,
    /// The newest file cannot be used; if an older version exists, that one runs.
    Broken {
        /// What is wrong, and what to do.
        why: String,
    },
}

/// One plugin, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginStatus {
    /// Its name.
    pub id: PluginId,
    /// Its version, as it says.
    pub version: String,
    /// What it is asked.
    pub kind: Kind,
    /// What it does, as it says.
    pub summary: String,
    /// Where the version that runs came from.
    pub source: Source,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The operator's multiplier.
    pub weight: f64,
    /// Whether its answers count.
    pub mode: Mode,
    /// Whether it takes part.
    pub state: State,
    /// Decisions it was asked for.
    pub calls: u64,
    /// Of them, those in which it misbehaved.
    pub faults: u64,
    /// Half of its calls were not longer, in microseconds.
    pub p50_us: Option<f64>,
    /// 99 of 100 were not longer, in microseconds.
    pub p99_us: Option<f64>,
    /// Its last fault, in words.
    pub last_fault: Option<String>,
}

/// How the last look at folder and configuration went.
#[derive(Clone, Debug)]
pub struct Report {
    /// What made us look.
    pub cause: &'static str,
    /// How long it took.
    pub took: Duration,
    /// The set that is live now.
    pub generation: Generation,
    /// Whether it is another one than before.
    pub swapped: bool,
    /// Everything that could not be used.
    pub problems: Vec<String>,
}

impl Report {
    /// A report of problems alone.
    pub(crate) fn problems(found: &[LoadError]) -> Vec<String> {
        found.iter().map(ToString::to_string).collect()
    }
}
