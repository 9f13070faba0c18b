//! A machine as the fleet keeps it: what snapshots see of it, its agent's beats, and how often it came and went.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{NodeId, RowId};
use crate::learned::Learned;
use crate::live::NodeLive;
use crate::moment::Moment;
use crate::node::Node;
use crate::remembered::Source;
use crate::standing::{Draining, Standing};

/// Beats that may be missed before a machine's servers are asked directly.
pub const STALE_AFTER: u32 = 3;
/// Beats that may be missed before a silent machine is offline.
pub const LOST_AFTER: u32 = 10;
/// A beat is missed only so long after it was due: it travels, and its agent's timer is no better than others.
pub const SLACK: Duration = Duration::from_millis(250);
/// Between two beats. Less would be a flood, more would leave a dead machine unnoticed for minutes.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));

/// So many times a machine may come back before it is held back.
const FLAPS: u32 = 3;
/// How long it is held back, at first and at most; doubled each time.
const HOLD: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// A machine that stayed so long has made good.
const CALM: Duration = Duration::from_secs(600);

/// One machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// As snapshots see it.
    pub(super) node: Arc<Node>,
    /// How it came to be known.
    pub(super) source: Source,
    /// Nobody named it: a model server may run on the router's machine, and if it does it should be found.
    pub(super) is_assumed: bool,
    /// Whether a command gave the name.
    pub(super) is_renamed: bool,
    /// Whether a command gave the labels.
    pub(super) is_labelled: bool,
    /// What its agent calls it.
    pub(super) calls_itself: String,
    /// When its agent was heard, if this router ever heard it.
    pub(super) beats: Option<Beats>,
    /// How often it came and went.
    pub(super) flaps: Flaps,
    /// Ports of servers that it reports and that count as another's; each is said once.
    pub(super) contested: BTreeSet<u16>,
    /// Its model servers.
    pub(super) rows: Vec<RowId>,
}

/// When an agent was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beats {
    /// Where from.
    pub(super) address: IpAddr,
    /// When last, or when time was given anew.
    pub(super) last: Moment,
    /// Between two beats.
    pub(super) interval: Duration,
    /// Time was given anew since it was heard; not twice.
    pub(super) is_excused: bool,
}

/// How often a machine came back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flaps {
    count: u32,
    last: Option<Moment>,
    hold: Option<Duration>,
}

impl Machine {
    /// A machine that nothing is known of but its name.
    pub(super) fn new(id: NodeId, name: &str, source: Source, learned: &Learned) -> Self {
        let node = Node {
            id,
            name: name.into(),
            labels: BTreeMap::new(),
            agent: None,
            standing: Standing::Plain,
            draining: Draining::default(),
            pins: BTreeSet::new(),
            live: Arc::new(NodeLive::new(learned.hours(id))),
        };
        Self {
            node: Arc::new(node),
            source,
            is_assumed: false,
            is_renamed: false,
            is_labelled: false,
            calls_itself: name.to_owned(),
            beats: None,
            flaps: Flaps::default(),
            contested: BTreeSet::new(),
            rows: Vec::new(),
        }
    }

    /// Whether its agent is heard now.
    pub(super) fn is_heard(&self) -> bool {
        self.node.standing.is_heard()
    }

    /// Whether somebody named it, as opposed to it having reported or been found.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.source, Source::Configured | Source::Added)
    }
}

impl Beats {
    pub(super) fn new(address: IpAddr, last: Moment, interval: Duration) -> Self {
        let (least, most) = INTERVAL;
        Self { address, last, interval: interval.clamp(least, most), is_excused: false }
    }

    /// When the `count`th beat after the last one is missed.
    pub(super) fn missed(&self, count: u32) -> Moment {
        self.last.plus(self.interval * count + SLACK)
    }
}

impl Flaps {
    /// It came back after it was out. How often it did lately, and how long it is to be held back, if it is.
    pub(super) fn returned(&mut self, now: Moment) -> Option<(u32, Duration)> {
        if self.last.is_some_and(|last| now.since(last) > CALM) {
            *self = Self::default();
        }
        self.last = Some(now);
        self.count += 1;
        if self.count < FLAPS {
            return None;
        }
        let (first, most) = HOLD;
        let hold = self.hold.map_or(first, |hold| most.min(hold * 2));
        self.hold = Some(hold);
        Some((self.count, hold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_and_goes_is_held_back_longer_each_time_until_it_stays() {
        let mut flaps = Flaps::default();
        let mut told = Vec::new();
        for round in 1..=8_u64 {
            told.push(flaps.returned(Moment(round * 4_000)).map(|(_, hold)| hold.as_secs()));
        }
        assert_eq!(told, [None, None, Some(30), Some(60), Some(120), Some(240), Some(300), Some(300)]);
        assert_eq!(flaps.returned(Moment(32_000 + 600_001)), None, "ten quiet minutes make good");
    }

    #[test]
    fn a_beat_is_missed_a_little_after_it_was_due() {
        let beats = Beats::new([10, 0, 0, 5].into(), Moment(1_000), Duration::from_secs(1));
        assert_eq!((beats.missed(3), beats.missed(10)), (Moment(4_250), Moment(11_250)));
        let odd = Beats::new([10, 0, 0, 5].into(), Moment(0), Duration::ZERO);
        assert_eq!(odd.missed(1), Moment(300), "no interval is too short to be missed");
    }
}
