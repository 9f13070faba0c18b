//! What a fleet can do: requests a second of the all-knowing greedy with everything asked at once. Loads are shares of
//! that.

use crate::fleets::FleetKind;
use crate::knowing::{AllKnowing, Style};
use crate::quality::matrix::mix;
use crate::time::Time;
use crate::trace::{self, Pattern, Plan};
use crate::world::{Promises, Setting, World};

/// Requests that are asked at once.
const REQUESTS: usize = 1_200;
/// Of them, the share after which the time is taken: the last ones wait for one machine while others are idle.
const SHARE: f64 = 0.9;

/// Requests a second that a fleet can answer.
pub fn capacity(fleet: FleetKind, seed: u64) -> f64 {
    let plan = Plan { pattern: Pattern::AtOnce, mix: mix(fleet), rate: 1.0, requests: REQUESTS };
    let mut conversations = trace::draw(&plan, seed);
    for talk in &mut conversations {
        // Nobody thinks: what can be asked is asked.
        talk.turns.iter_mut().for_each(|turn| turn.think = Time::default());
    }
    let setting = Setting {
        machines: fleet.machines(seed),
        conversations,
        faults: Vec::new(),
        impatient: (0.0, 1.0),
        promises: Promises::default(),
        seed,
        until: Time::seconds(1e6),
    };
    let run = World::run(&setting, &mut AllKnowing::new(Style::ALL[0]));
    let mut ends: Vec<Time> = run.records.iter().filter_map(|record| record.ended).collect();
    ends.sort();
    let counted = ((ends.len() as f64 * SHARE) as usize).max(1);
    counted as f64 / ends[counted - 1].s()
}
