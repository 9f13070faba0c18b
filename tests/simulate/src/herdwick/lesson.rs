//! What an answer showed, as the data plane would tell it to what learns: by the router's own clock, with who ran beside it.

use std::time::Duration;

use herdwick_fleet::learned::{App as Name, Company, Load, Rates, Shown};
use herdwick_fleet::{Candidate, Moment};

use crate::fleets::{MODELS, ModelId, NodeNo};
use crate::trace::Request;

/// How many streams of each model ran on each machine, over time.
#[derive(Debug, Default)]
pub(super) struct Busy(Vec<OnNode>);

#[derive(Clone, Debug, Default)]
struct OnNode {
    at: Moment,
    running: [f64; MODELS.len()],
    /// Streams times seconds.
    area: [f64; MODELS.len()],
}

impl Busy {
    /// A stream of a model begins (1) or ends (-1).
    pub(super) fn count(&mut self, node: NodeNo, model: ModelId, by: f64, now: Moment) {
        let area = self.area(node, now);
        self.0[node.0].area = area;
        self.0[node.0].at = now;
        self.0[node.0].running[model.0] += by;
    }

    fn area(&mut self, node: NodeNo, now: Moment) -> [f64; MODELS.len()] {
        if self.0.len() <= node.0 {
            self.0.resize(node.0 + 1, OnNode::default());
        }
        let here = &self.0[node.0];
        let s = now.since(here.at).as_secs_f64();
        std::array::from_fn(|model| here.area[model] + here.running[model] * s)
    }
}

/// What is noted when a request is sent.
#[derive(Debug)]
pub(super) struct Lesson {
    sent: Moment,
    node: NodeNo,
    area: [f64; MODELS.len()],
    known: Option<Rates>,
    cached: f64,
}

impl Lesson {
    /// A request is sent; `cached` is how many tokens of its prompt the cache is taken to hold.
    pub(super) fn begin(
        candidate: &Candidate,
        (node, cached): (NodeNo, f64),
        busy: &mut Busy,
        now: Moment,
    ) -> Self {
        let known = candidate.holding.rates(&candidate.backend, now);
        Self { sent: now, node, area: busy.area(node, now), known, cached }
    }

    /// Its answer came whole.
    pub(super) fn end(
        self,
        request: &Request,
        (candidate, first): (&Candidate, Moment),
        busy: &mut Busy,
        now: Moment,
    ) {
        let area = busy.area(self.node, now);
        let s = now.since(self.sent).as_secs_f64().max(1e-3);
        let mean = |model: usize| (area[model] - self.area[model]) / s;
        let others = (0..MODELS.len()).filter(|model| *model != request.model.0).map(mean);
        let shown = Shown {
            first: Some(first.since(self.sent)),
            total: now.since(self.sent),
            frames: request.answer as u64,
            is_whole: true,
            prompt_bytes: Some(request.prompt * 4.0),
            prompt_tokens: Some(request.prompt as u64),
            cached_tokens: self.cached,
            answer_tokens: Some(request.answer as u64),
            company: Company { same: mean(request.model.0).max(1.0), other: others.sum() },
            load: Load::None,
            ..Shown::default()
        };
        let live = &candidate.holding.live;
        live.speed.learn(&shown, self.known, candidate.holding.model.bytes, now);
        live.of_model.learn(&name(request), &shown, now);
    }
}

/// A load that dispatch ordered took so long.
pub(super) fn load(candidate: &Candidate, is_cached: bool, took: Duration, now: Moment) {
    let Candidate { holding, .. } = candidate;
    let kind = if is_cached { Load::Cache } else { Load::Disk };
    holding.live.speed.learn_load(kind, holding.model.bytes, took, now);
}

/// What a program calls itself.
pub(super) fn name(request: &Request) -> Name {
    Name::new(match request.app {
        crate::trace::App::Chat => "chat",
        crate::trace::App::BetterChat => "better-chat",
        crate::trace::App::Classify => "classify",
        crate::trace::App::Summarise => "summarise",
        crate::trace::App::Coding => "coding",
        crate::trace::App::Reasoning => "reasoning",
    })
}
