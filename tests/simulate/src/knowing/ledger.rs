//! What residency saved, or would have saved, in the last two minutes; and how busy each model usually is.

use super::cost::{Offer, Ways};
use crate::fleets::{MODELS, ModelId, NodeNo};
use crate::node::Node;
use crate::time::Time;
use crate::trace::Request;

/// Seconds in which worth falls to a third.
const WORTH_S: f64 = 120.0;
/// Seconds over which use is averaged.
const USE_S: f64 = 60.0;

/// The ledger.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    at: Time,
    worth: Vec<[f64; MODELS.len()]>,
    usual: Vec<[f64; MODELS.len()]>,
}

impl Ledger {
    /// Lets time pass. What runs now ran since the last tick, which is never long ago.
    pub(super) fn tick(&mut self, now: Time, nodes: &[Node]) {
        self.worth.resize(nodes.len(), Default::default());
        self.usual.resize(nodes.len(), Default::default());
        let s = (now - self.at).s();
        self.at = now;
        let (kept, share) = ((-s / WORTH_S).exp(), (-s / USE_S).exp());
        for (no, node) in nodes.iter().enumerate() {
            for model in ModelId::all() {
                self.worth[no][model.0] *= kept;
                let usual = &mut self.usual[no][model.0];
                *usual = *usual * share + node.running(model) as f64 * (1.0 - share);
            }
        }
    }

    /// Seconds that a model's residency there was worth lately.
    pub(super) fn worth(&self, node: NodeNo, model: ModelId) -> f64 {
        self.worth[node.0][model.0]
    }

    /// Streams of a model that usually run there.
    pub(super) fn usual(&self, node: NodeNo, model: ModelId) -> f64 {
        self.usual[node.0][model.0]
    }

    /// A request was sent for what was chosen, after it had waited so many seconds.
    pub(super) fn paid(&mut self, request: &Request, chosen: &Offer, offers: &[Offer], waited: f64) {
        let model = request.model.0;
        let paid = waited + chosen.cost;
        for offer in offers.iter().filter(|offer| offer.way == Ways::AfterLoad) {
            self.worth[offer.node.0][model] += (paid - offer.cost_if_there).max(0.0);
        }
        let others = offers.iter().filter(|offer| offer.node != chosen.node);
        let second = others.map(|offer| offer.cost).fold(f64::INFINITY, f64::min);
        if second.is_finite() {
            self.worth[chosen.node.0][model] += (second - chosen.cost).max(0.0);
        }
    }
}
