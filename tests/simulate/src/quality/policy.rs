//! The routers that are compared, by name.

use crate::baseline::{Early, LeastConnections, PeakEwma, Points, RoundRobin, WarmFirst};
use crate::knowing::{AllKnowing, Style};
use crate::router::Router;

/// A router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// The fewest requests under way.
    LeastConnections,
    /// Two choices with peak EWMA.
    PeakEwma,
    /// Where the model is in memory.
    WarmFirst,
    /// Points with caps.
    Points,
    /// Everything is known; one of its styles.
    AllKnowing(usize),
}

impl Policy {
    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::LeastConnections => "least connections",
            Self::PeakEwma => "two choices, peak EWMA",
            Self::WarmFirst => "warm first",
            Self::Points => "points with caps",
            Self::AllKnowing(0) => "all-knowing greedy",
            Self::AllKnowing(1) => "all-knowing, waits freely",
            Self::AllKnowing(_) => "all-knowing, whole answers",
        }
    }

    /// A router that knows nothing yet.
    pub fn router(self, seed: u64) -> Box<dyn Router> {
        match self {
            Self::RoundRobin => Box::new(Early::new(RoundRobin::default(), seed)),
            Self::LeastConnections => Box::new(Early::new(LeastConnections::default(), seed)),
            Self::PeakEwma => Box::new(Early::new(PeakEwma::new(seed), seed)),
            Self::WarmFirst => Box::new(Early::new(WarmFirst, seed)),
            Self::Points => Box::new(Early::new(Points, seed)),
            Self::AllKnowing(style) => Box::new(AllKnowing::new(Style::ALL[style.min(Style::ALL.len() - 1)])),
        }
    }
}
