//! What machines tell people of themselves, as it was told last and when. Beside the fleet and not in it: no decision
//! reads it, and it would make pictures of the fleet larger and more frequent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use herdwick_fleet::{Moment, NodeId, Snapshot};
use herdwick_wire::machine::MachineFacts;

/// Machines more than the fleet has that may be here before those that left it are forgotten.
const SLACK: usize = 64;

/// By machine.
#[derive(Debug, Default)]
pub struct FactBook(Mutex<HashMap<NodeId, (Moment, MachineFacts)>>);

impl FactBook {
    /// A machine of this fleet told this, then. It was checked.
    pub(crate) fn write(&self, node: NodeId, at: Moment, facts: MachineFacts, fleet: &Snapshot) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.insert(node, (at, facts));
        if book.len() > fleet.nodes().len() + SLACK {
            // The one that just joined may not be in the picture yet.
            book.retain(|known, _| *known == node || fleet.nodes().iter().any(|node| node.id == *known));
        }
    }

    /// What a machine told last, as old as it is now.
    pub(crate) fn read(&self, node: NodeId, now: Moment) -> Option<MachineFacts> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, facts) = book.get(&node)?;
        Some(facts.clone().aged(now.since(*at)))
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::machine::MemoryFacts;

    use super::*;

    fn node(number: usize) -> NodeId {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        NodeId::from_key(&key)
    }

    #[test]
    fn what_was_told_grows_old_and_machines_that_left_are_forgotten() {
        let (book, fleet) = (FactBook::default(), Snapshot::default());
        let memory = MemoryFacts { age_ms: 100, total: 1, ..MemoryFacts::default() };
        let facts = MachineFacts { memory: Some(memory), ..MachineFacts::default() };
        for number in 0..1_000 {
            book.write(node(number), Moment(1_000), facts.clone(), &fleet);
        }
        let known = |number| book.read(node(number), Moment(3_500)).and_then(|facts| facts.memory);
        assert_eq!(known(999).map(|memory| memory.age_ms), Some(2_600));
        let count = (0..1_000).filter(|number| known(*number).is_some()).count();
        assert!(count <= SLACK + 1, "{count} machines are remembered of a fleet without any");
    }
}
