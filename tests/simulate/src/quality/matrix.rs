//! One cell of the matrix: a fleet, a pattern and a load, run with every router.

use crate::fleets::FleetKind;
use crate::metrics::Quality;
use crate::quality::policy::{Policy, Shelf};
use crate::time::Time;
use crate::trace::{self, Mix, Pattern, Plan};
use crate::world::{Promises, Setting, World};

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The machines.
    pub fleet: FleetKind,
    /// How arrivals are spread.
    pub pattern: Pattern,
    /// Share of what the fleet can do.
    pub load: f64,
    /// Requests a second that are this share.
    pub rate: f64,
    /// Requests in all, about.
    pub requests: usize,
    /// Of everything that is drawn.
    pub seed: u64,
}

/// How one router did in a cell.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub policy: Policy,
    /// How well.
    pub quality: Quality,
}

/// What a fleet is asked.
pub(super) fn mix(fleet: FleetKind) -> Mix {
    if fleet == FleetKind::Bench4 { Mix::Plain } else { Mix::Everything }
}

impl Cell {
    /// What happens in it, whoever routes.
    pub fn setting(&self) -> Setting {
        let plan =
            Plan { pattern: self.pattern, mix: mix(self.fleet), rate: self.rate, requests: self.requests };
        Setting {
            machines: self.fleet.machines(self.seed),
            conversations: trace::draw(&plan, self.seed),
            faults: Vec::new(),
            impatient: (0.0, 1.0),
            promises: Promises::default(),
            seed: self.seed,
            // A day and more: what has not ended by then never does, and is shown as without an answer.
            until: Time::seconds(1e5),
        }
    }
}

/// Runs a cell with a router.
pub fn measure(cell: &Cell, policy: Policy, shelf: &Shelf) -> Outcome {
    let setting = cell.setting();
    let mut router = policy.router(cell.seed, shelf);
    let run = World::run(&setting, router.as_mut());
    Outcome { policy, quality: Quality::of(&run, &setting.machines) }
}
