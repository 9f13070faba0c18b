//! Tells the core which models are pinned where. The fleet says it, since that outlives the router; the core sees to it.

use std::collections::BTreeMap;
use std::time::Duration;

use herdwick_fleet::dispatch::{Dispatch, Wish, World};
use herdwick_fleet::{Generation, ModelName, Moment, Residency, RowId};

/// A pinned model that is not in memory is wished for again after so long: its server may have been started again.
const AGAIN: Duration = Duration::from_secs(10);

/// Pins as the core knows them, and when each was wished for last.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    known: BTreeMap<(RowId, ModelName), Moment>,
    seen: Option<Generation>,
}

impl Pins {
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Tells what is new since the last time.
    pub(crate) fn tell(&mut self, core: &mut Dispatch, world: World<'_>) {
        if self.seen.replace(world.snapshot.generation) == Some(world.snapshot.generation) {
            return;
        }
        let mut wanted = BTreeMap::new();
        for backend in world.snapshot.backends().iter().filter(|backend| !backend.node.pins.is_empty()) {
            for name in &backend.node.pins {
                let Some(holding) = backend.holdings.get(name) else { continue };
                let place = (backend.row, name.clone());
                let is_absent =
                    holding.residency(world.now).is_some_and(|(residency, _)| residency < Residency::Loading);
                let wished = match self.known.get(&place).copied() {
                    Some(wished) if !is_absent || world.now.since(wished) < AGAIN => wished,
                    known => {
                        let wish = if known.is_none() { Wish::Pin } else { Wish::Load { context: None } };
                        // What cannot be done now is wished for again.
                        let _ = core.wish(wish, (backend.row, name), world);
                        world.now
                    }
                };
                wanted.insert(place, wished);
            }
        }
        for (row, name) in self.known.keys().filter(|place| !wanted.contains_key(place)) {
            // A backend that is gone needs no word.
            let _ = core.wish(Wish::Unpin, (*row, name), world);
        }
        self.known = wanted;
    }
}
