//! Loads: one per machine at a time, shared by all who wait for it, on nobody's behalf. First what must give way drains,
//! then the load is ordered, then somebody tells how it ended. It decides on no load; it only knows which there are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, Holding};
use crate::id::{NodeId, RowId};
use crate::live::LoadCredit;
use crate::moment::Moment;

use super::answer::{Cause, LoadId};

/// A load that waits for its victims to drain is given up after twice the predicted time, but not before this …
const DRAINS_LEAST: Duration = Duration::from_secs(30);
/// … and in any case after this, so that the victims' own work is not kept waiting without end.
const DRAINS_MOST: Duration = Duration::from_secs(300);

/// A load that is planned or under way, or a model that is let go of.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) id: LoadId,
    pub(crate) backend: Arc<Backend>,
    pub(crate) holding: Arc<Holding>,
    pub(crate) model: u32,
    /// `None` when the model is only let go of.
    pub(crate) wants: Option<Wants>,
    /// Models on the same backend that take no new work, since they give way; also the model itself when it is loaded anew.
    pub(crate) closes: Vec<u32>,
    pub(crate) state: LoadState,
    /// Nobody tells how much memory there is, so what gives way is for its server to choose.
    pub(crate) is_blind: bool,
    pub(crate) predicted_ms: f64,
}

/// What is to be in memory afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants {
    pub(crate) context: Option<u32>,
    pub(crate) cause: Cause,
    pub(crate) endpoint: &'static str,
}

#[derive(Debug)]
pub(crate) enum LoadState {
    /// What gives way still has work.
    Draining { until: Moment },
    /// It was ordered.
    Ordered { since: Moment, _credit: Option<LoadCredit> },
}

/// All loads.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    by_node: BTreeMap<NodeId, Load>,
    last: u64,
}

impl Load {
    pub(crate) fn row(&self) -> RowId {
        self.backend.row
    }

    pub(crate) fn is_of(&self, row: RowId, model: u32) -> bool {
        self.backend.row == row && self.model == model
    }

    /// Whether it was not ordered yet.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.state, LoadState::Draining { .. })
    }

    /// Predicted time until it is over, once its victims are idle.
    pub(crate) fn rest_ms(&self, now: Moment) -> f64 {
        match self.state {
            LoadState::Draining { .. } => self.predicted_ms,
            LoadState::Ordered { since, .. } => {
                let done_ms = now.since(since).as_secs_f64() * 1e3;
                // As for any load: one that is overdue is not about to end because of that.
                (self.predicted_ms - done_ms).max(self.predicted_ms * 0.2)
            }
        }
    }
}

impl Loads {
    /// A number for a new one.
    pub(crate) fn number(&mut self) -> LoadId {
        self.last += 1;
        LoadId(self.last)
    }

    /// Until when one that is planned now may drain.
    pub(crate) fn drains_until(drain_ms: f64, now: Moment) -> Moment {
        let twice = Duration::from_secs_f64((drain_ms * 2.0 / 1e3).clamp(0.0, DRAINS_MOST.as_secs_f64()));
        now.plus(twice.clamp(DRAINS_LEAST, DRAINS_MOST))
    }

    /// The load on a machine.
    pub(crate) fn on(&self, node: NodeId) -> Option<&Load> {
        self.by_node.get(&node)
    }

    /// Takes a load in. The caller has seen that the machine has none.
    pub(crate) fn add(&mut self, load: Load) {
        self.by_node.insert(load.backend.node.id, load);
    }

    /// Takes a load out.
    pub(crate) fn remove(&mut self, id: LoadId) -> Option<Load> {
        let node = self.iter().find(|load| load.id == id)?.backend.node.id;
        self.by_node.remove(&node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Load> {
        self.by_node.values()
    }

    pub(crate) fn get_mut(&mut self, id: LoadId) -> Option<&mut Load> {
        self.by_node.values_mut().find(|load| load.id == id)
    }
}
