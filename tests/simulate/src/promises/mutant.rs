//! Routers that break a promise on purpose: whoever watches must notice each of them, or it watches nothing.

use crate::fleets::{ModelId, NodeNo};
use crate::herdwick::Herdwick;
use crate::node::Health;
use crate::router::{Action, News, Refusal, Router, Sight};
use crate::time::Time;

/// How a promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// What has to wait is handed over at once, to a machine whose slots are taken.
    Overcommits,
    /// Every twentieth request is forgotten.
    Loses,
    /// Every twentieth answer is followed by a refusal.
    EndsTwice,
    /// One client is never served, and never told so.
    Starves,
    /// Beside each load another one is begun.
    LoadsTwice,
    /// Machines are sent requests for models that they have not loaded.
    SendsCold,
    /// That a client left is told to nobody.
    Leaks,
    /// What failed is sent to the same machine until it works.
    RetriesForever,
    /// An answer that broke off is begun anew elsewhere, although the client has the first half.
    BeginsAnew,
}

impl Mutant {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Overcommits,
        Self::Loses,
        Self::EndsTwice,
        Self::Starves,
        Self::LoadsTwice,
        Self::SendsCold,
        Self::Leaks,
        Self::RetriesForever,
        Self::BeginsAnew,
    ];
}

/// One request in so many is treated wrongly.
const ONE_IN: usize = 20;
/// The client that is never served.
const STARVED: usize = 0;

/// The router, and what goes wrong between it and the world.
#[derive(Debug)]
pub struct Mutated {
    router: Herdwick,
    mutant: Option<Mutant>,
    /// Clients of requests, by number, and whether their first token came.
    asked: Vec<(usize, bool, ModelId)>,
}

impl Mutated {
    /// Breaks no promise with `None`.
    pub fn new(router: Herdwick, mutant: Option<Mutant>) -> Self {
        Self { router, mutant, asked: Vec::new() }
    }

    fn note(&mut self, news: &News) {
        match news {
            News::Asked(request) => self.asked.push((request.client, false, request.model)),
            News::FirstToken(no) => self.asked[*no].1 = true,
            _ => {}
        }
    }

    /// What the router is not told, or another is.
    fn swallows(&mut self, news: &News, actions: &mut Vec<Action>) -> bool {
        match (self.mutant, news) {
            (Some(Mutant::Loses), News::Asked(request)) => request.no % ONE_IN == 7,
            (Some(Mutant::Leaks), News::Left(_)) => true,
            (Some(Mutant::RetriesForever), News::Failed(no)) => {
                actions.push(Action::Send(*no, NodeNo(0)));
                true
            }
            // Once: whoever is sent to a machine that is off hears of it in the same moment.
            (Some(Mutant::BeginsAnew), News::Lost(no)) if std::mem::take(&mut self.asked[*no].1) => {
                actions.push(Action::Send(*no, NodeNo(0)));
                true
            }
            _ => false,
        }
    }

    fn twist(&self, news: &News, sight: Sight<'_>, actions: &mut Vec<Action>) {
        let client_of = |no: usize| self.asked[no].0;
        match (self.mutant, news) {
            (Some(Mutant::Starves), _) => actions.retain(|action| {
                !matches!(action, Action::Send(no, _) | Action::Refuse(no, _) if client_of(*no) == STARVED)
            }),
            (Some(Mutant::EndsTwice), News::Done(no)) if no % ONE_IN == 7 => {
                actions.push(Action::Refuse(*no, Refusal::Failed));
            }
            (Some(Mutant::LoadsTwice), _) => {
                if let Some(Action::Load(node, model)) =
                    actions.iter().find(|action| matches!(action, Action::Load(..)))
                {
                    actions.push(Action::Load(*node, ModelId((model.0 + 1) % 2)));
                }
            }
            (Some(Mutant::Overcommits | Mutant::SendsCold), News::Asked(request)) => {
                let no = request.no;
                let is_cold = self.mutant == Some(Mutant::SendsCold);
                if actions.iter().any(|action| matches!(action, Action::Send(of, _) | Action::Refuse(of, _) if *of == no)) {
                    return;
                }
                let wrong = sight.nodes.iter().position(|node| {
                    node.health == Health::Well && node.is_resident(request.model) != is_cold
                });
                actions.extend(wrong.map(|node| Action::Send(no, NodeNo(node))));
            }
            _ => {}
        }
    }
}

impl Router for Mutated {
    fn hear(&mut self, news: &News, sight: Sight<'_>, actions: &mut Vec<Action>) {
        self.note(news);
        if !self.swallows(news, actions) {
            self.router.hear(news, sight, actions);
        }
        self.twist(news, sight, actions);
    }

    fn due(&self) -> Option<Time> {
        self.router.due()
    }

    fn complaint(&self) -> Option<String> {
        // What is to be noticed is what machines and clients see, not that the books differ.
        if self.mutant.is_some() { None } else { self.router.complaint() }
    }

    fn held(&self) -> usize {
        self.router.held()
    }
}
