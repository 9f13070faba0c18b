//! The all-knowing greedy: true lengths, rates, caches and memories, the same kind of decision as the router's. It is what
//! the router is measured against, and written apart from it, so that a fault of one is not a fault of both.
//!
//! It binds late: who finds no free slot waits, and everybody is looked at again when something changes.

mod cost;
mod ledger;

use std::collections::VecDeque;

use self::cost::{Offer, Scan, Ways};
use self::ledger::Ledger;
use crate::fleets::{ModelId, NodeNo};
use crate::node::{Health, Node};
use crate::router::{Action, News, Refusal, Router, Sight};
use crate::time::Time;
use crate::trace::Request;

/// Requests that are looked at each time, the oldest first.
const LOOKED_AT: usize = 64;
/// A planned load whose victims are not idle by then is given up.
const PATIENCE: Time = Time(120_000_000);
/// A model that was loaded so recently is not evicted for a copy.
const DWELL: Time = Time(60_000_000);

/// What an all-knowing greedy may be set to; the best of several is what counts.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Weight of the answer against the prompt.
    pub decode_weight: f64,
    /// How many times longer the free one's service must be before another is waited for.
    pub patience_ratio: f64,
    /// Share of the wait that must be gained.
    pub patience_margin: f64,
    /// Whether copies are loaded in the background.
    pub buys_copies: bool,
}

impl Style {
    /// Those that are tried.
    pub const ALL: [Self; 3] = [
        Self { decode_weight: 0.5, patience_ratio: 2.0, patience_margin: 0.5, buys_copies: true },
        Self { decode_weight: 0.5, patience_ratio: 1.0, patience_margin: 0.0, buys_copies: true },
        Self { decode_weight: 1.0, patience_ratio: 1.0, patience_margin: 0.0, buys_copies: true },
    ];
}

/// A load that waits for its victims to be idle.
#[derive(Clone, Copy, Debug)]
struct Planned {
    model: ModelId,
    since: Time,
}

/// The router that knows everything.
#[derive(Debug)]
pub struct AllKnowing {
    style: Style,
    waiting: VecDeque<Request>,
    planned: Vec<Option<Planned>>,
    ledger: Ledger,
}

impl AllKnowing {
    /// Nothing waits yet.
    pub fn new(style: Style) -> Self {
        Self { style, waiting: VecDeque::new(), planned: Vec::new(), ledger: Ledger::default() }
    }

    /// Looks at everybody who waits.
    fn scan(&mut self, sight: Sight<'_>, actions: &mut Vec<Action>) {
        let Sight { now, nodes } = sight;
        self.planned.resize(nodes.len(), None);
        self.ledger.tick(now, nodes);
        self.carry_out_plans(sight, actions);
        let mut scan = Scan::new(nodes, actions);
        for (no, planned) in self.planned.iter().enumerate() {
            if let Some(planned) = planned {
                scan.close(NodeNo(no), &cost::victims(&nodes[no], NodeNo(no), planned.model, &self.ledger));
            }
        }
        let mut place = 0;
        for _ in 0..self.waiting.len().min(LOOKED_AT) {
            if self.place(place, sight, &mut scan, actions) {
                self.waiting.remove(place);
            } else {
                place += 1;
            }
        }
        if self.style.buys_copies {
            self.buy(sight, &scan, actions);
        }
    }

    /// Sends the request at this place, or lets it wait. Whether it is gone.
    fn place(&mut self, place: usize, sight: Sight<'_>, scan: &mut Scan, actions: &mut Vec<Action>) -> bool {
        let Some(request) = self.waiting.get(place) else { return false };
        let offers = scan.offers(request, sight, (&self.ledger, self.style));
        let Some(best) = Offer::best(&offers) else {
            let is_lost = !sight.nodes.iter().any(|node| node.spec.fits(request.model));
            if is_lost {
                actions.push(Action::Refuse(request.no, Refusal::Nobody));
            }
            return is_lost;
        };
        let free = Offer::best_where(&offers, |offer| offer.way == Ways::Now);
        let chosen = match free {
            Some(free) if free.node != best.node => {
                let pays = free.service >= self.style.patience_ratio * best.service
                    && best.cost + self.style.patience_margin * best.wait < free.cost;
                if pays { best } else { free }
            }
            _ => best,
        };
        match chosen.way {
            Ways::Now => {
                self.ledger.paid(request, chosen, &offers, (sight.now - request.at).s());
                scan.sent(chosen, request.model);
                actions.push(Action::Send(request.no, chosen.node));
                true
            }
            Ways::AfterLoad => {
                scan.reserve(chosen, request.model);
                let planned = Planned { model: request.model, since: sight.now };
                if self.planned[chosen.node.0].is_none() {
                    self.planned[chosen.node.0] = Some(planned);
                    let node = &sight.nodes[chosen.node.0];
                    scan.close(chosen.node, &cost::victims(node, chosen.node, request.model, &self.ledger));
                    self.carry_out_plans(sight, actions);
                }
                false
            }
            Ways::AfterWait => {
                scan.reserve(chosen, request.model);
                false
            }
        }
    }

    /// Begins planned loads whose victims are idle.
    fn carry_out_plans(&mut self, sight: Sight<'_>, actions: &mut Vec<Action>) {
        for (no, slot) in self.planned.iter_mut().enumerate() {
            let (Some(planned), node) = (*slot, &sight.nodes[no]) else { continue };
            let is_over = sight.now - planned.since > PATIENCE
                || node.health != Health::Well
                || node.runner(planned.model).is_some();
            let victims = cost::victims(node, NodeNo(no), planned.model, &self.ledger);
            let sent_there = |action: &Action| matches!(action, Action::Send(_, to) if to.0 == no);
            let are_idle =
                victims.iter().all(|victim| node.runner(*victim).is_none_or(|runner| runner.is_idle()));
            if is_over {
                *slot = None;
            } else if node.loads.under_way.is_none() && are_idle && !actions.iter().any(sent_there) {
                actions.extend(victims.iter().map(|victim| Action::Unload(NodeNo(no), *victim)));
                actions.push(Action::Load(NodeNo(no), planned.model));
                *slot = None;
            }
        }
    }

    /// Ski rental: loads one copy whose absence has cost more than itself and what it evicts.
    fn buy(&self, sight: Sight<'_>, scan: &Scan, actions: &mut Vec<Action>) {
        let mut best: Option<(f64, NodeNo, ModelId)> = None;
        for (no, node) in sight.nodes.iter().enumerate() {
            let no = NodeNo(no);
            let is_open = node.health == Health::Well
                && node.loads.under_way.is_none()
                && node.loads.waiting() == 0
                && self.planned[no.0].is_none();
            for model in ModelId::all().filter(|model| is_open && node.on_disk[model.0]) {
                if node.runner(model).is_some() {
                    continue;
                }
                let victims = cost::victims(node, no, model, &self.ledger);
                let may_go = |victim: &ModelId| {
                    let runner = node.runner(*victim);
                    let is_young = runner.is_some_and(|runner| sight.now - runner.loaded < DWELL);
                    !is_young && scan.running(no, *victim) == 0
                };
                let worth: f64 = victims.iter().map(|victim| self.ledger.worth(no, *victim)).sum();
                let gain = self.ledger.worth(no, model) - node.load_s(model) - worth;
                if gain > 0.0 && victims.iter().all(may_go) && best.is_none_or(|(most, ..)| gain > most) {
                    best = Some((gain, no, model));
                }
            }
        }
        if let Some((_, no, model)) = best {
            let victims = cost::victims(&sight.nodes[no.0], no, model, &self.ledger);
            actions.extend(victims.into_iter().map(|victim| Action::Unload(no, victim)));
            actions.push(Action::Load(no, model));
        }
    }
}

impl Router for AllKnowing {
    fn hear(&mut self, news: &News, sight: Sight<'_>, actions: &mut Vec<Action>) {
        match news {
            News::Asked(request) => self.waiting.push_back(request.clone()),
            News::Left(no) => self.waiting.retain(|request| request.no != *no),
            News::Failed(no) | News::Lost(no) => actions.push(Action::Refuse(*no, Refusal::Failed)),
            News::FirstToken(_) => return,
            // Copies are bought at quiet times as well.
            News::Beat(no) if no.0 != 0 => return,
            News::Beat(_) | News::Done(_) | News::Loaded(..) | News::LoadFailed(..) | News::Due => {}
        }
        self.scan(sight, actions);
    }

    fn held(&self) -> usize {
        self.waiting.len()
    }
}

/// Whether a machine can be sent work.
fn works(node: &Node) -> bool {
    node.health == Health::Well
}
