//! What is remembered of a machine. Knows neither SQL nor who wants to know.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use herdwick_fleet::NodeId;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who it is.
    pub id: NodeId,
    /// Its agent's public key (Ed25519), pinned at first contact; `None` for a machine without an agent of ours.
    pub key: Option<[u8; 32]>,
    /// What it is called.
    pub name: String,
    /// Whether a command gave the name; else the machine says what it is called.
    pub is_renamed: bool,
    /// How it came to be known.
    pub source: Source,
    /// Which agent spoke for it last, by its name; `None` for a plain model server.
    pub agent: Option<String>,
    /// Its model servers, and where each was reached last.
    pub servers: Vec<Server>,
    /// Requests that each of its models takes at once, as a command said; never 0.
    pub slots: Option<u32>,
    /// What a command says of it, for plugins.
    pub labels: BTreeMap<String, String>,
    /// Since when it gets no new work, because a command said so. Whole seconds.
    pub drained: Option<SystemTime>,
    /// When it was heard of first. Whole seconds; once it is kept it does not change.
    pub first_seen: Option<SystemTime>,
    /// When it was heard of last. Whole seconds, and up to a minute late.
    pub last_seen: Option<SystemTime>,
}

/// How a machine came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command added it.
    Added,
    /// It reported, or was found on the network.
    Found,
    /// The configuration lists it; kept for what commands said of it.
    Listed,
}

/// A model server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens on its machine; what it is known by.
    pub port: u16,
    /// Which API it speaks, by name.
    pub kind: String,
    /// Where it was reached: a name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
}

impl Source {
    const ALL: [Self; 3] = [Self::Added, Self::Found, Self::Listed];

    /// As it is kept.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Found => "found",
            Self::Listed => "listed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// Seconds since 1970, as they are kept.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// The time of seconds since 1970; `None` for one that this machine cannot name.
pub(crate) fn time(seconds: i64) -> Option<SystemTime> {
    let length = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(length) } else { UNIX_EPOCH.checked_add(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_by_the_second() {
        for seconds_since in [0, 1, 1_764_000_000, -5] {
            assert_eq!(time(seconds_since).map(seconds), Some(seconds_since));
        }
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1_999)), 1);
    }
}
