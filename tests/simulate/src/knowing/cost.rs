//! What each machine would cost a request, in seconds, from how things really are.

use super::ledger::Ledger;
use super::{DWELL, Style, works};
use crate::fleets::{MODELS, ModelId, NodeNo};
use crate::node::{Node, Stage};
use crate::router::{Action, Sight};
use crate::trace::Request;

/// How a machine would come to serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    /// At once.
    Now,
    /// When a slot is free, or a load that is under way is done.
    AfterWait,
    /// When its model is loaded, which nobody has begun.
    AfterLoad,
}

/// What one machine offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) node: NodeNo,
    pub(super) way: Ways,
    /// Everything, in seconds.
    pub(super) cost: f64,
    /// The same, had the model been in memory.
    pub(super) cost_if_there: f64,
    /// Until it could begin.
    pub(super) wait: f64,
    /// Of its own work, as weighed.
    pub(super) service: f64,
}

impl Offer {
    pub(super) fn best(offers: &[Self]) -> Option<&Self> {
        Self::best_where(offers, |_| true)
    }

    pub(super) fn best_where(offers: &[Self], test: impl Fn(&Self) -> bool) -> Option<&Self> {
        offers.iter().filter(|offer| test(offer)).min_by(|a, b| a.cost.total_cmp(&b.cost))
    }
}

/// What a second copy costs, in times its load.
const SECOND_COPY: f64 = 2.0;
/// What evicting a model costs that has just been loaded, in seconds.
const TOO_YOUNG: f64 = 1_000.0;
/// Whoever begins later meets other streams than those that run now.
const SOON_S: f64 = 0.5;

/// One look at all that wait.
pub(super) struct Scan {
    /// Work that was placed in this look and has not begun, in seconds, by machine and model.
    reserved: Vec<[f64; MODELS.len()]>,
    /// Requests that were sent in this look.
    sent: Vec<[usize; MODELS.len()]>,
    /// Requests that run, before.
    running: Vec<[usize; MODELS.len()]>,
    /// Models that are about to leave.
    closed: Vec<[bool; MODELS.len()]>,
}

impl Scan {
    pub(super) fn new(nodes: &[Node], actions: &[Action]) -> Self {
        let mut scan = Self {
            reserved: vec![Default::default(); nodes.len()],
            sent: vec![Default::default(); nodes.len()],
            running: nodes
                .iter()
                .map(|node| std::array::from_fn(|model| node.running(ModelId(model))))
                .collect(),
            closed: vec![Default::default(); nodes.len()],
        };
        for action in actions {
            if let Action::Unload(node, model) = action {
                scan.closed[node.0][model.0] = true;
            }
        }
        scan
    }

    pub(super) fn running(&self, node: NodeNo, model: ModelId) -> usize {
        self.running[node.0][model.0] + self.sent[node.0][model.0]
    }

    pub(super) fn sent(&mut self, offer: &Offer, model: ModelId) {
        self.sent[offer.node.0][model.0] += 1;
    }

    pub(super) fn reserve(&mut self, offer: &Offer, model: ModelId) {
        self.reserved[offer.node.0][model.0] += offer.service;
    }

    /// What has to leave for this model takes no new work.
    pub(super) fn close(&mut self, node: NodeNo, victims: &[ModelId]) {
        victims.iter().for_each(|victim| self.closed[node.0][victim.0] = true);
    }

    /// What every machine that can hold the model offers.
    pub(super) fn offers(
        &self,
        request: &Request,
        sight: Sight<'_>,
        (ledger, style): (&Ledger, Style),
    ) -> Vec<Offer> {
        let model = request.model;
        let able = sight.nodes.iter().enumerate();
        let able = able.filter(|(_, node)| works(node) && node.on_disk[model.0]);
        let able: Vec<(NodeNo, &Node)> = able.map(|(no, node)| (NodeNo(no), node)).collect();
        let copies = able.iter().filter(|(_, node)| node.runner(model).is_some()).count();
        let rate = |node: &Node| node.spec.decode[model.0] / node.slow;
        let offer = |(no, node): &(NodeNo, &Node)| {
            let others = able.iter().filter(|(other, node)| other != no && node.runner(model).is_some());
            let best_other = others.map(|(_, node)| rate(node)).fold(0.0, f64::max);
            let seen = Seen { no: *no, node, copies, best_other, now: sight.now.s(), ledger, style };
            self.offer(request, &seen)
        };
        able.iter().filter_map(offer).collect()
    }

    fn offer(&self, request: &Request, seen: &Seen<'_>) -> Option<Offer> {
        let (model, node, no) = (request.model, seen.node, seen.no);
        if self.closed[no.0][model.0] {
            return None;
        }
        let spec = &node.spec;
        let running = |x: ModelId| self.running(no, x) as f64;
        let runner = node.runner(model);
        let is_ready = runner.is_some_and(|runner| runner.is_ready);
        let slots = spec.slots as f64;
        let here = running(model) + self.waiting_there(node, model);
        let is_free = is_ready && here < slots;

        let wait_s = if here < slots { 0.0 } else { self.first_free(node, model) };
        let queue_s = self.reserved[no.0][model.0] / slots;
        let (load_s, regret_s, way) = match runner {
            Some(_) if is_free => (0.0, 0.0, Ways::Now),
            Some(_) if is_ready => (0.0, 0.0, Ways::AfterWait),
            Some(_) => (rest_of_load(node), 0.0, Ways::AfterWait),
            None => {
                let victims = victims(node, no, model, seen.ledger);
                let drain = victims.iter().map(|victim| self.drain(node, *victim)).fold(0.0, f64::max);
                let mut load = node.load_s(model) + drain + rest_of_load(node);
                if seen.copies > 0 {
                    load *= SECOND_COPY;
                }
                (load, victims.iter().map(|victim| seen.regret(*victim)).sum(), Ways::AfterLoad)
            }
        };
        let same = running(model).min(slots - 1.0).max(0.0);
        let other: f64 = ModelId::all().filter(|x| *x != model).map(running).sum();
        let factor = 1.0 + spec.same_drag * same + spec.other_drag * other;
        let cached = runner.map_or(0.0, |runner| runner.cached(request));
        let prefill_s = (request.prompt - cached) / spec.prefill[model.0] * node.slow;
        let decode_s = request.answer * factor / spec.decode[model.0] * node.slow;
        let service = prefill_s + seen.style.decode_weight * decode_s;
        let starts_now = wait_s + load_s <= SOON_S;
        let fleet = self.fleet_costs(request, seen, (prefill_s, decode_s, starts_now));
        let cost_if_there = service + wait_s + queue_s + fleet;
        Some(Offer {
            node: no,
            way,
            cost: cost_if_there + load_s + regret_s,
            cost_if_there,
            wait: wait_s + queue_s + load_s,
            service,
        })
    }

    /// What the request takes from others there.
    fn fleet_costs(
        &self,
        request: &Request,
        seen: &Seen<'_>,
        (prefill_s, decode_s, now): (f64, f64, bool),
    ) -> f64 {
        let (model, node, spec) = (request.model, seen.node, &seen.node.spec);
        let drag = |x: ModelId| if x == model { spec.same_drag } else { spec.other_drag };
        let mut taken = 0.0;
        if now {
            for (x, stream) in node.streams() {
                let left = stream.answer_left / spec.decode[x.0] * node.slow;
                taken += drag(x) * left.min(decode_s) + 0.5 * prefill_s.min(2.0);
            }
        }
        let service = prefill_s + decode_s;
        for x in ModelId::all() {
            let met = if now { self.running(seen.no, x) as f64 } else { 0.0 };
            taken += service * drag(x) * (seen.ledger.usual(seen.no, x) - met).max(0.0);
        }
        let busy = (seen.ledger.usual(seen.no, model) / spec.slots as f64).min(1.0);
        let advantage = if seen.best_other > 0.0 {
            (spec.decode[model.0] / node.slow / seen.best_other - 1.0).clamp(0.0, 3.0)
        } else {
            2.0
        };
        taken + service * busy * busy * advantage
    }

    fn waiting_there(&self, node: &Node, model: ModelId) -> f64 {
        node.runner(model).map_or(0.0, |runner| runner.queue.len() as f64)
    }

    /// Seconds until the first slot of a model is free, with work that runs alone.
    fn first_free(&self, node: &Node, model: ModelId) -> f64 {
        let same = node.running(model) as f64;
        let other = node.streams().filter(|(x, _)| *x != model).count() as f64;
        let factor = 1.0 + node.spec.same_drag * (same - 1.0).max(0.0) + node.spec.other_drag * other;
        let rests = node.streams().filter(|(x, _)| *x == model).map(|(_, stream)| {
            let read = if stream.stage == Stage::Prompt { stream.prompt_left } else { 0.0 };
            (read / node.spec.prefill[model.0] + stream.answer_left * factor / node.spec.decode[model.0])
                * node.slow
        });
        let first = rests.fold(f64::INFINITY, f64::min);
        if first.is_finite() { first } else { 0.0 }
    }

    /// Seconds until a busy victim is idle.
    fn drain(&self, node: &Node, victim: ModelId) -> f64 {
        let rests = node.streams().filter(|(x, _)| *x == victim);
        let rests = rests.map(|(x, stream)| stream.answer_left / node.spec.decode[x.0] * node.slow);
        rests.fold(0.0, f64::max)
    }
}

/// One machine, as a request sees it.
struct Seen<'a> {
    no: NodeNo,
    node: &'a Node,
    copies: usize,
    best_other: f64,
    now: f64,
    ledger: &'a Ledger,
    style: Style,
}

impl Seen<'_> {
    fn regret(&self, victim: ModelId) -> f64 {
        let loaded = self.node.runner(victim).map_or(0.0, |runner| runner.loaded.s());
        let young = if self.now - loaded < DWELL.s() { TOO_YOUNG } else { 0.0 };
        young + self.ledger.worth(self.no, victim).min(self.node.load_s(victim))
    }
}

fn rest_of_load(node: &Node) -> f64 {
    node.loads.under_way.as_ref().map_or(0.0, |load| load.left_s * node.slow)
}

/// What has to leave a machine for a model, the least worth first.
pub(super) fn victims(node: &Node, no: NodeNo, model: ModelId, ledger: &Ledger) -> Vec<ModelId> {
    let mut lacks = node.used() + model.in_memory() - node.spec.memory;
    let mut there: Vec<ModelId> = ModelId::all().filter(|x| *x != model && node.is_resident(*x)).collect();
    let regret = |x: &ModelId| ledger.worth(no, *x).min(node.load_s(*x));
    there.sort_by(|a, b| regret(a).total_cmp(&regret(b)));
    let mut victims = Vec::new();
    for victim in there {
        if lacks <= 0.0 {
            break;
        }
        lacks -= victim.in_memory();
        victims.push(victim);
    }
    victims
}
