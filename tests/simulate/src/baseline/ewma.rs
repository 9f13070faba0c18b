//! The better of two that are drawn, by a moving average of latency times the requests under way, as Finagle and Linkerd
//! do it: an average that rises at once and falls slowly.

use super::{Choice, Known};
use crate::fleets::NodeNo;
use crate::random::Random;
use crate::time::Time;
use crate::trace::Request;

/// Seconds in which the average forgets two thirds.
const DECAY_S: f64 = 30.0;

/// Two choices with peak EWMA.
#[derive(Debug)]
pub struct PeakEwma {
    /// When it was told last, and the average, by machine.
    seen: Vec<(Time, f64)>,
    random: Random,
}

impl PeakEwma {
    /// Nobody was seen yet.
    pub fn new(seed: u64) -> Self {
        Self { seen: Vec::new(), random: Random::new(seed, "two choices") }
    }

    fn average(&self, node: NodeNo, now: Time) -> f64 {
        let Some((at, average)) = self.seen.get(node.0) else { return 0.0 };
        average * (-(now - *at).s() / DECAY_S).exp()
    }
}

impl Choice for PeakEwma {
    fn choose(&mut self, _: &Request, able: &[NodeNo], known: &Known) -> NodeNo {
        let first = able[self.random.below(able.len())];
        let second = able[self.random.below(able.len())];
        // Somebody who was not seen lately costs a second, so that requests under way still count.
        let cost = |node| self.average(node, known.now).max(1.0) * (known.load_of(node) + 1) as f64;
        if cost(second) < cost(first) { second } else { first }
    }

    fn answered(&mut self, node: NodeNo, now: Time, s: f64) {
        let decayed = self.average(node, now);
        if self.seen.len() <= node.0 {
            self.seen.resize(node.0 + 1, (Time::default(), 0.0));
        }
        let kept = self.seen[node.0].0;
        let share = (-(now - kept).s() / DECAY_S).exp();
        let average = if s > decayed { s } else { decayed * share + s * (1.0 - share) };
        self.seen[node.0] = (now, average);
    }
}
