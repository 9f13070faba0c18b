//! What one seed means: drawn from it are machines, clients, faults and bounds.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::SignalPolicy;
use herdwick_fleet::dispatch::{Bounds, Rules};

use crate::faults::{self, Sort, Span};
use crate::fleets::FleetKind;
use crate::herdwick::{Setup, TRIES};
use crate::random::Random;
use crate::time::Time;
use crate::trace::{self, Mix, Pattern, Plan};
use crate::world::{Promises, Setting};

/// Requests of a run, about.
const REQUESTS: usize = 160;
/// Seconds after which a run that does not end is given up: answers of the slowest machines take minutes.
const AFTERWARDS: f64 = 6_000.0;
/// What a refusal may come later than the deadline: dispatch looks at milliseconds, and a retry gets a grace.
const SLACK: Time = Time(6_000_000);

/// A run that a seed stands for.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What happens.
    pub setting: Setting,
    rules: Rules,
    patience: Duration,
}

impl Trial {
    /// Draws it; with faults of only one sort, if one is given.
    pub fn new(seed: u64, only: Option<Sort>) -> Self {
        let mut random = Random::new(seed, "trial");
        let mut machines = FleetKind::ALL[random.below(FleetKind::ALL.len())].machines(seed);
        // A few of them, so that small fleets and lone holders occur.
        let keep = 1 + random.below(machines.len().min(8));
        while machines.len() > keep {
            machines.remove(random.below(machines.len()));
        }
        // Answers of 300 tokens of the 8b model, over all slots: near enough to what the machines can do.
        let able: f64 = machines.iter().map(|one| one.decode[1] * (one.slots as f64).sqrt() / 300.0).sum();
        let pattern = Pattern::ALL[random.below(Pattern::ALL.len())];
        let mix = if random.chance(0.3) { Mix::Plain } else { Mix::Everything };
        let rate = able * random.between(0.1, 1.5);
        let conversations = trace::draw(&Plan { pattern, mix, rate, requests: REQUESTS }, seed);
        let last = conversations.last().map_or(Time::default(), |talk| talk.start);
        let until = Time::seconds(last.s().max(20.0) + 30.0);
        let sorts: Vec<Sort> = match only {
            Some(sort) => vec![sort],
            None => Sort::ALL.into_iter().filter(|_| random.chance(0.5)).collect(),
        };
        let count = if only.is_some() { 1 + random.below(8) } else { random.below(9) };
        let span = Span { nodes: machines.len(), from: Time::seconds(1.0), until, count };
        let patience = Duration::from_secs(10 + random.below(110) as u64);
        let bounds = if random.chance(0.5) {
            Bounds::default()
        } else {
            let per_model = 1 + random.below(24);
            Bounds { per_model, per_client: 1 + random.below(per_model), ..Bounds::default() }
        };
        Self {
            setting: Setting {
                machines,
                conversations,
                faults: faults::draw(&span, &sorts, seed),
                impatient: (if random.chance(0.5) { 0.15 } else { 0.0 }, 8.0),
                promises: Promises {
                    binds_late: true,
                    attempts: Some(TRIES as u32),
                    answers_within: Some(Time::seconds(patience.as_secs_f64()) + SLACK),
                },
                seed,
                until: until + Time::seconds(AFTERWARDS),
            },
            rules: Rules { bounds, ..Rules::default() },
            patience,
        }
    }

    /// How its router is set up.
    pub fn setup(&self, policy: Arc<dyn SignalPolicy>) -> Setup {
        Setup { policy, rules: self.rules, patience: self.patience }
    }
}
