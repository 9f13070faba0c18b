//! A simulated machine with Ollama's habits: prompts share one stage, answers slow each other, loads go one at a time,
//! and whoever is handed over too early waits in a queue that nobody sees. Must not know who routes.
//!
//! Processor sharing is exact: between two events rates are constant, and [`Node::next`] says when that ends.

mod cache;
mod load;
mod runner;

use crate::fleets::{MODELS, ModelId, NodeSpec};
use crate::time::Time;
use crate::trace::Request;

pub use self::cache::Cached;
use self::load::Loads;
pub use self::runner::{Runner, Stage, Stream};

/// What happens on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A request's first token left.
    FirstToken(usize),
    /// A request's answer is whole.
    Done(usize),
    /// The machine says that it cannot serve this request (500): its model could not be loaded.
    Failed(usize),
    /// A model is in memory.
    Loaded(ModelId),
    /// A load did not work.
    LoadFailed(ModelId),
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Well,
    /// It is off: connections are refused, everything in memory is lost.
    Dead,
    /// It takes what comes and does nothing.
    Hangs,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it can do.
    pub spec: NodeSpec,
    /// How it is.
    pub health: Health,
    /// How many times slower than it should be it is.
    pub slow: f64,
    /// By model.
    pub runners: Vec<Option<Runner>>,
    /// Models it has on disk.
    pub on_disk: [bool; MODELS.len()],
    /// What is being loaded, and who waits for that.
    pub loads: Loads,
    /// Loads that were begun since the start.
    pub loads_begun: u64,
    /// Models that it let go of by itself, to make room for what it was to load.
    pub surprises: u64,
    /// Prompt tokens that were asked, and those of them that were in a cache.
    pub prompt_tokens: (f64, f64),
    /// Up to when everything is worked out.
    at: Time,
}

/// Tokens that count as none.
const NOTHING: f64 = 1e-6;

impl Node {
    /// Idle, with nothing in memory.
    pub fn new(spec: NodeSpec) -> Self {
        Self {
            on_disk: std::array::from_fn(|model| spec.fits(ModelId(model))),
            spec,
            health: Health::Well,
            slow: 1.0,
            runners: vec![None; MODELS.len()],
            loads: Loads::default(),
            loads_begun: 0,
            surprises: 0,
            prompt_tokens: (0.0, 0.0),
            at: Time::default(),
        }
    }

    /// A model's runner, loaded or loading.
    pub fn runner(&self, model: ModelId) -> Option<&Runner> {
        self.runners[model.0].as_ref()
    }

    /// Whether a model is ready to answer.
    pub fn is_resident(&self, model: ModelId) -> bool {
        self.runner(model).is_some_and(|runner| runner.is_ready)
    }

    /// Bytes of models in memory, those that are being loaded included.
    pub fn used(&self) -> f64 {
        ModelId::all().filter(|model| self.runner(*model).is_some()).map(ModelId::in_memory).sum()
    }

    /// Seconds that a load takes now.
    pub fn load_s(&self, model: ModelId) -> f64 {
        let from = if self.loads.is_cached(model) { &self.spec.load_cache } else { &self.spec.load_disk };
        from[model.0] * self.slow
    }

    /// When something happens here next, if nothing comes in between.
    pub fn next(&self) -> Time {
        if self.health != Health::Well {
            return Time::NEVER;
        }
        let pace = self.pace();
        let streams =
            self.streams().map(|(model, stream)| stream.left() / pace.of(self, model, stream.stage));
        let load = self.loads.under_way.as_ref().map(|load| load.left_s * self.slow);
        let soonest = streams.chain(load).fold(f64::INFINITY, f64::min);
        self.at + Time::seconds(soonest)
    }

    /// Works out everything up to `now`, which is never later than [`Node::next`].
    pub fn advance(&mut self, now: Time, happened: &mut Vec<Happening>) {
        let s = (now - self.at).s();
        self.at = now;
        if self.health != Health::Well {
            return;
        }
        if s > 0.0 {
            let pace = self.pace();
            let rates = Rates::new(self, &pace);
            for (model, runner) in self.runners.iter_mut().enumerate() {
                for stream in runner.iter_mut().flat_map(Runner::streams_mut) {
                    stream.work(rates.of(model, stream.stage) * s);
                }
            }
            if let Some(load) = &mut self.loads.under_way {
                load.left_s -= s / self.slow;
            }
        }
        self.settle(now, happened);
    }

    /// A request is handed over. It runs, waits here where nobody sees it, or has its model loaded.
    pub fn take(&mut self, request: &Request, now: Time, happened: &mut Vec<Happening>) {
        let model = request.model;
        match &mut self.runners[model.0] {
            Some(runner) => runner.queue.push_back(request.clone()),
            None => self.loads.wait(model, Some(request.clone())),
        }
        self.settle(now, happened);
    }

    /// Somebody wants a model loaded, without a request that waits for it.
    pub fn load(&mut self, model: ModelId, now: Time, happened: &mut Vec<Happening>) {
        if self.runner(model).is_none() {
            self.loads.wait(model, None);
        }
        self.settle(now, happened);
    }

    /// Somebody wants a model out of memory: it leaves when nothing of it runs or waits.
    pub fn unload(&mut self, model: ModelId, now: Time, happened: &mut Vec<Happening>) {
        if let Some(runner) = &mut self.runners[model.0] {
            runner.is_leaving = true;
        }
        self.settle(now, happened);
    }

    /// The client of a request hung up, or whoever routed it did: what it had here is given back at once.
    pub fn drop_request(&mut self, no: usize, now: Time, happened: &mut Vec<Happening>) {
        for runner in self.runners.iter_mut().flatten() {
            runner.drop_request(no);
        }
        self.loads.drop_request(no);
        self.settle(now, happened);
    }

    /// It dies: everything that ran or waited here is cut off. Whose requests these were.
    pub fn die(&mut self, now: Time) -> Vec<usize> {
        self.at = now;
        self.health = Health::Dead;
        let lost = self.everybody();
        self.runners.iter_mut().for_each(|runner| *runner = None);
        self.loads = Loads::default();
        lost
    }

    /// It is started again, with an empty memory, or goes on where it hung.
    pub fn recover(&mut self, now: Time) {
        self.at = now;
        self.health = Health::Well;
    }

    /// Requests that run or wait here.
    pub fn everybody(&self) -> Vec<usize> {
        let runners = self.runners.iter().flatten().flat_map(Runner::everybody);
        runners.chain(self.loads.everybody()).collect()
    }

    /// Requests of a model that run here.
    pub fn running(&self, model: ModelId) -> usize {
        self.runner(model).map_or(0, |runner| runner.streams().count())
    }

    /// Streams that run here, with their models.
    pub fn streams(&self) -> impl Iterator<Item = (ModelId, &Stream)> {
        let runners = self.runners.iter().enumerate();
        runners.flat_map(|(model, runner)| {
            runner.iter().flat_map(Runner::streams).map(move |stream| (ModelId(model), stream))
        })
    }

    /// Answer tokens of a request that were made up to `now`; 0 while its prompt is being read.
    pub fn made(&self, no: usize, now: Time) -> f64 {
        let pace = self.pace();
        let mine = self.streams().find(|(_, stream)| stream.request.no == no);
        let Some((model, stream)) = mine.filter(|(_, stream)| stream.stage == Stage::Answer) else {
            return 0.0;
        };
        let since = if self.health == Health::Well { (now - self.at).s() } else { 0.0 };
        let made = stream.request.answer - stream.answer_left + since * pace.of(self, model, stream.stage);
        made.clamp(0.0, stream.request.answer)
    }

    /// Does what follows at once from how things are: who is done leaves, who can begin does.
    fn settle(&mut self, now: Time, happened: &mut Vec<Happening>) {
        if self.health != Health::Well {
            return;
        }
        for runner in self.runners.iter_mut().flatten() {
            runner.settle(now, happened, &mut self.prompt_tokens);
        }
        load::settle(self, now, happened);
    }

    fn pace(&self) -> Pace {
        let mut pace = Pace::default();
        for (model, stream) in self.streams() {
            match stream.stage {
                Stage::Prompt => pace.prompts += 1.0,
                Stage::Answer => pace.answers[model.0] += 1.0,
            }
        }
        pace
    }
}

/// How many streams are in which stage.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    prompts: f64,
    answers: [f64; MODELS.len()],
}

impl Pace {
    /// Tokens per second of a stream.
    fn of(&self, node: &Node, model: ModelId, stage: Stage) -> f64 {
        let spec = &node.spec;
        let rate = match stage {
            Stage::Prompt => spec.prefill[model.0] / self.prompts,
            Stage::Answer => {
                let same = self.answers[model.0];
                let other = self.answers.iter().sum::<f64>() - same;
                let drag = spec.same_drag * (same - 1.0)
                    + spec.other_drag * other
                    + spec.prefill_drag * self.prompts;
                spec.decode[model.0] / (1.0 + drag)
            }
        };
        rate / node.slow
    }
}

/// The rate of each stage of each model, worked out before anything is changed.
struct Rates([[f64; 2]; MODELS.len()]);

impl Rates {
    fn new(node: &Node, pace: &Pace) -> Self {
        let rate = |model, stage| pace.of(node, ModelId(model), stage);
        Self(std::array::from_fn(|model| [rate(model, Stage::Prompt), rate(model, Stage::Answer)]))
    }

    fn of(&self, model: usize, stage: Stage) -> f64 {
        self.0[model][stage as usize]
    }
}
