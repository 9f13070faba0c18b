//! Keeps clients away from a machine while it is measured: every slot of each of its models is taken, so that their
//! requests go elsewhere or wait in line. Dropping it gives all of them back, whatever becomes of the run.

use std::sync::Arc;

use herdwick_fleet::{Holding, SlotGuard, Snapshot};

use crate::bench::may;
use crate::bench::target::Target;

/// The slots of a machine.
#[derive(Debug)]
pub(crate) struct Hold {
    guards: Vec<SlotGuard>,
}

impl Hold {
    /// Takes what is free. Without `force` that must be all: a request that came in between is a client's.
    pub(crate) fn take(target: &Target, snapshot: &Snapshot, force: bool) -> Result<Self, String> {
        let mut hold = Self { guards: Vec::new() };
        for backend in may::servers(target, snapshot) {
            for holding in backend.holdings.values() {
                let taken = hold.fill(holding);
                if !force && holding.live.slots.busy() > taken {
                    return Err(format!(
                        "{} would be disturbed: a request of a client came just now; try again later, or measure all \
                         the same with --force",
                        target.node()
                    ));
                }
            }
        }
        Ok(hold)
    }

    /// Takes every free slot of a model; says how many.
    fn fill(&mut self, holding: &Holding) -> u32 {
        let before = self.guards.len();
        self.guards.extend(std::iter::from_fn(|| Arc::clone(&holding.live.slots).try_acquire()));
        u32::try_from(self.guards.len() - before).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::target::tests::fleet;

    #[test]
    fn all_slots_are_taken_and_given_back_and_somebody_elses_is_nobodys() {
        let (mut fleet, _) = fleet();
        let snapshot = fleet.snapshot();
        let target = Target::find(&snapshot, "studio", "m:1").expect("it is there");
        let free = || {
            let holdings = target.backend.holdings.values();
            holdings.map(|holding| holding.live.slots.free()).collect::<Vec<_>>()
        };
        assert_eq!(free(), [2, 2]);
        let hold = Hold::take(&target, &snapshot, false).expect("nobody is there");
        assert_eq!(free(), [0, 0]);
        drop(hold);
        assert_eq!(free(), [2, 2]);
        let client = target.holding.live.slots.try_acquire();
        assert!(Hold::take(&target, &snapshot, false).is_err(), "a client came in between");
        assert_eq!(free().iter().sum::<u32>(), 3, "nothing of it is left");
        let hold = Hold::take(&target, &snapshot, true).expect("what is free");
        assert_eq!(free(), [0, 0]);
        drop((client, hold));
        assert_eq!(free(), [2, 2]);
    }
}
