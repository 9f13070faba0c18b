//! The routers that are compared, by name, and what the router's own variants differ in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use herdwick_fleet::SignalPolicy;
use herdwick_fleet::dispatch::{Binding, Bounds, Rules};

use crate::baseline::{Early, LeastConnections, PeakEwma, Points, RoundRobin, WarmFirst};
use crate::herdwick::{Herdwick, Setup};
use crate::knowing::{AllKnowing, Style};
use crate::router::Router;
use crate::signals::{self, Change};

/// Longer than any run.
const FOREVER: Duration = Duration::from_secs(10_000_000);

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
    /// The router, or what it is without one of its terms.
    Herdwick(Variant),
    /// Everything is known; one of its styles.
    AllKnowing(usize),
}

/// What the router is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// As it ships.
    Whole,
    /// What prompt caches hold does not count.
    NoPromptCache,
    /// What a request takes from others does not count.
    NoFleetCosts,
    /// Copies are loaded only when somebody waits.
    NoCopies,
    /// Requests are bound when they arrive.
    Early,
    /// Failures of a machine cost, by a signal that does not ship.
    Reliability,
}

impl Variant {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Whole,
        Self::NoPromptCache,
        Self::NoFleetCosts,
        Self::NoCopies,
        Self::Early,
        Self::Reliability,
    ];

    fn changes(self) -> &'static [Change] {
        match self {
            Self::NoPromptCache => &[Change::Flag("role-affinity", "prompt_cache", false)],
            Self::NoFleetCosts => &[
                Change::Number("role-affinity", "running_weight", 0.0),
                Change::Number("role-affinity", "usual_weight", 0.0),
                Change::Number("role-affinity", "slot_price_weight", 0.0),
            ],
            _ => &[],
        }
    }

    /// The rules, with room for everybody: what is refused is not measured.
    fn rules(self) -> Rules {
        let bounds = Bounds { per_model: 1_000_000, bytes_per_model: u64::MAX, per_client: 1_000_000 };
        let mut rules = Rules { bounds, ..Rules::default() };
        match self {
            Self::NoPromptCache => rules.tuning.prompt_cache = false,
            Self::NoCopies => rules.tuning.background_copies = false,
            Self::Early => rules.tuning.binding = Binding::Early,
            Self::Whole | Self::NoFleetCosts | Self::Reliability => {}
        }
        rules
    }
}

/// The components of each variant, started once.
pub struct Shelf(BTreeMap<Variant, Arc<dyn SignalPolicy>>);

impl Shelf {
    /// Starts them.
    ///
    /// # Errors
    /// They do not run here.
    pub fn new() -> Result<Self> {
        let mut shelf = BTreeMap::new();
        for variant in Variant::ALL {
            let policy = signals_of(variant.changes())?;
            let policy =
                if variant == Variant::Reliability { signals::with_reliability(policy) } else { policy };
            shelf.insert(variant, policy);
        }
        Ok(Self(shelf))
    }
}

/// The components that ship; without that feature, for a first impression, the same sources compiled natively.
fn signals_of(changes: &[Change]) -> Result<Arc<dyn SignalPolicy>> {
    #[cfg(feature = "components")]
    return signals::components(changes);
    #[cfg(not(feature = "components"))]
    signals::native(changes)
}

impl Policy {
    /// Those that are compared, in the order of tables.
    pub fn compared() -> Vec<Self> {
        let early = [Self::RoundRobin, Self::LeastConnections, Self::PeakEwma, Self::WarmFirst, Self::Points];
        let ours =
            Variant::ALL.into_iter().filter(|variant| *variant != Variant::Reliability).map(Self::Herdwick);
        let knowing = (0..Style::ALL.len()).map(Self::AllKnowing);
        early.into_iter().chain(ours).chain(knowing).collect()
    }

    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::LeastConnections => "least connections",
            Self::PeakEwma => "two choices, peak EWMA",
            Self::WarmFirst => "warm first",
            Self::Points => "points with caps, early",
            Self::Herdwick(Variant::Whole) => "herdwick",
            Self::Herdwick(Variant::NoPromptCache) => "− prompt-cache credit",
            Self::Herdwick(Variant::NoFleetCosts) => "− fleet costs",
            Self::Herdwick(Variant::NoCopies) => "− background copies",
            Self::Herdwick(Variant::Early) => "− late binding",
            Self::Herdwick(Variant::Reliability) => "herdwick + reliability",
            Self::AllKnowing(0) => "all-knowing, as ours",
            Self::AllKnowing(1) => "all-knowing, waits freely",
            Self::AllKnowing(_) => "all-knowing, whole answers",
        }
    }

    /// Whether it knows everything.
    pub fn is_knowing(self) -> bool {
        matches!(self, Self::AllKnowing(_))
    }

    /// A router that knows nothing yet.
    pub fn router(self, seed: u64, shelf: &Shelf) -> Box<dyn Router> {
        match self {
            Self::RoundRobin => Box::new(Early::new(RoundRobin::default(), seed)),
            Self::LeastConnections => Box::new(Early::new(LeastConnections::default(), seed)),
            Self::PeakEwma => Box::new(Early::new(PeakEwma::new(seed), seed)),
            Self::WarmFirst => Box::new(Early::new(WarmFirst, seed)),
            Self::Points => Box::new(Early::new(Points, seed)),
            Self::Herdwick(variant) => {
                let policy = Arc::clone(&shelf.0[&variant]);
                Box::new(Herdwick::new(Setup { policy, rules: variant.rules(), patience: FOREVER }))
            }
            Self::AllKnowing(style) => Box::new(AllKnowing::new(Style::ALL[style])),
        }
    }
}
