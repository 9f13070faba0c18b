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
    /// The router, as it ships; one of its variants.
    Herdwick(usize),
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
            Self::Herdwick(_) => "herdwick",
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
            Self::Herdwick(_) => {
                let mut rules = herdwick_fleet::dispatch::Rules::default();
                rules.bounds.per_model = 1_000_000;
                rules.bounds.per_client = 1_000_000;
                rules.bounds.bytes_per_model = u64::MAX;
                let policy = crate::signals::native(&[]).unwrap();
                Box::new(crate::herdwick::Herdwick::new(crate::herdwick::Setup {
                    policy,
                    rules,
                    patience: std::time::Duration::from_secs(1_000_000),
                }))
            }
            Self::AllKnowing(style) => Box::new(AllKnowing::new(Style::ALL[style.min(Style::ALL.len() - 1)])),
        }
    }
}
