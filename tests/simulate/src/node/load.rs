//! Loads of one machine: one after the other in the order in which they were wanted, each after what must leave for it.

use std::collections::VecDeque;

use super::{Happening, Node, Runner};
use crate::fleets::ModelId;
use crate::time::Time;
use crate::trace::Request;

/// What is being loaded and what is to be.
#[derive(Clone, Debug, Default)]
pub struct Loads {
    /// The one load that is under way.
    pub under_way: Option<UnderWay>,
    /// Loads do not work, although everything else does.
    pub fail: bool,
    wanted: VecDeque<Wanted>,
    /// What the page cache holds, used last at the end.
    cached: Vec<ModelId>,
}

/// A load.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// Of what.
    pub model: ModelId,
    /// Seconds that it still takes.
    pub left_s: f64,
}

#[derive(Clone, Debug)]
struct Wanted {
    model: ModelId,
    requests: Vec<Request>,
}

/// Seconds that count as none.
const NOTHING_S: f64 = 1e-9;

impl Loads {
    /// A request, or nobody in particular, wants a model that is not in memory.
    pub(super) fn wait(&mut self, model: ModelId, request: Option<Request>) {
        match self.wanted.iter_mut().find(|wanted| wanted.model == model) {
            Some(wanted) => wanted.requests.extend(request),
            None => self.wanted.push_back(Wanted { model, requests: request.into_iter().collect() }),
        }
    }

    /// Models that are wanted and not being loaded yet.
    pub fn waiting(&self) -> usize {
        self.wanted.len()
    }

    /// Whether a load of it would read no disk.
    pub fn is_cached(&self, model: ModelId) -> bool {
        self.cached.contains(&model)
    }

    /// Models that are being loaded or wanted.
    pub fn models(&self) -> Vec<ModelId> {
        let under_way = self.under_way.iter().map(|load| load.model);
        under_way.chain(self.wanted.iter().map(|wanted| wanted.model)).collect()
    }

    pub(super) fn everybody(&self) -> impl Iterator<Item = usize> {
        self.wanted.iter().flat_map(|wanted| wanted.requests.iter().map(|request| request.no))
    }

    pub(super) fn drop_request(&mut self, no: usize) {
        for wanted in &mut self.wanted {
            wanted.requests.retain(|request| request.no != no);
        }
        // Nobody would load what nobody waits for.
        self.wanted.retain(|wanted| !wanted.requests.is_empty());
    }

    /// The page cache has read this model. What was used longest ago leaves for it.
    fn remember(&mut self, model: ModelId, capacity: f64) {
        self.cached.retain(|cached| *cached != model);
        self.cached.push(model);
        let mut bytes: f64 = self.cached.iter().map(|cached| cached.spec().bytes).sum();
        while bytes > capacity && !self.cached.is_empty() {
            bytes -= self.cached.remove(0).spec().bytes;
        }
    }
}

/// Ends what is done, lets leave who must, and begins what can begin.
pub(super) fn settle(node: &mut Node, now: Time, happened: &mut Vec<Happening>) {
    end(node, now, happened);
    leave(node);
    while let Some(wanted) = node.loads.wanted.front() {
        let model = wanted.model;
        if node.runner(model).is_none() && !begin(node, model, now, happened) {
            break;
        }
        let Some(wanted) = node.loads.wanted.pop_front() else { break };
        match &mut node.runners[model.0] {
            Some(runner) => runner.queue.extend(wanted.requests),
            // It was refused.
            None => happened.extend(wanted.requests.iter().map(|request| Happening::Failed(request.no))),
        }
    }
    for runner in node.runners.iter_mut().flatten() {
        runner.settle(now, happened, &mut node.prompt_tokens);
    }
}

/// Ends the load under way, if it is done.
fn end(node: &mut Node, now: Time, happened: &mut Vec<Happening>) {
    let Some(load) = &node.loads.under_way else { return };
    if load.left_s > NOTHING_S {
        return;
    }
    let model = load.model;
    node.loads.under_way = None;
    if node.loads.fail {
        let lost = node.runners[model.0].take().map(|runner| runner.queue).unwrap_or_default();
        happened.push(Happening::LoadFailed(model));
        happened.extend(lost.iter().map(|request| Happening::Failed(request.no)));
    } else if let Some(runner) = &mut node.runners[model.0] {
        runner.is_ready = true;
        (runner.loaded, runner.used) = (now, now);
        node.loads.remember(model, node.spec.cache);
        happened.push(Happening::Loaded(model));
    }
}

/// Lets go of models that must leave and are idle.
fn leave(node: &mut Node) {
    for runner in &mut node.runners {
        if runner.as_ref().is_some_and(|runner| runner.is_leaving && runner.is_ready && runner.is_idle()) {
            *runner = None;
        }
    }
}

/// Begins a load, if nothing else is loading and there is room; makes room otherwise. Whether nobody has to wait for it
/// any more, since it began or can never begin.
fn begin(node: &mut Node, model: ModelId, now: Time, happened: &mut Vec<Happening>) -> bool {
    if !node.spec.fits(model) || !node.on_disk[model.0] {
        happened.push(Happening::LoadFailed(model));
        return true;
    }
    if node.loads.under_way.is_some() {
        return false;
    }
    let lacking = |node: &Node| node.used() + model.in_memory() - node.spec.memory;
    // As Ollama does: whoever is idle goes first, then whoever was used longest ago; a busy one goes when it is idle, and
    // is served until then.
    let mut victims: Vec<_> = ModelId::all()
        .filter_map(|victim| node.runner(victim).map(|runner| (!runner.is_idle(), runner.used, victim)))
        .collect();
    victims.sort();
    let mut lacks = lacking(node);
    for (_, _, victim) in victims {
        if lacks <= 0.0 {
            break;
        }
        if let Some(runner) = &mut node.runners[victim.0] {
            node.surprises += u64::from(!runner.is_leaving);
            runner.is_leaving = true;
            lacks -= victim.in_memory();
        }
    }
    leave(node);
    if lacking(node) > 0.0 {
        return false;
    }
    let left_s = node.load_s(model) / node.slow;
    node.loads.under_way = Some(UnderWay { model, left_s });
    node.loads_begun += 1;
    node.runners[model.0] = Some(Runner::new(node.spec.slots, node.spec.has_prompt_cache, now));
    true
}
