//! What one answer teaches: measured from when its backend was asked to its end, whichever that is, and handed to what
//! is learned of the model. All of it happens on the data thread and takes no lock that anybody waits for. Must not know
//! the prompt, nor who the client is beyond its program's name.

use std::sync::Arc;
use std::time::Instant;

use herdwick_dialect::{Endpoint, Figures};
use herdwick_fleet::learned::length::PromptTokens;
use herdwick_fleet::learned::shown::Told;
use herdwick_fleet::live::HoldingLive;
use herdwick_fleet::occupancy::Mark;
use herdwick_fleet::{
    App, Backend, Candidate, Company, Event, Load, ModelName, Moment, OfModel, Profile, Rates, Residency,
    Shown,
};
use http::HeaderMap;
use http::header::{HeaderName, USER_AGENT};

use crate::asked::Asked;
use crate::scene::Scene;

/// What a client may call itself, in the order in which it counts. `x-title` is what OpenRouter's clients send. Keys are
/// never looked at: what is learned is kept on disk and shown.
const NAMES: [HeaderName; 3] =
    [HeaderName::from_static("x-herdwick-app"), HeaderName::from_static("x-title"), USER_AGENT];

/// Pieces in a row that were there before anybody asked for them: then the client takes the answer slower than it comes.
/// A fast backend has a few of them at a time.
const BEHIND: u32 = 64;

/// An answer is hardly longer than so many ordinary ones.
const LONG_ANSWER: f64 = 4.0;

/// What of a request matters to what its answer teaches.
#[derive(Clone, Debug)]
pub(crate) struct Pupil {
    app: App,
    /// Bytes of the prompt, if it is nothing but text.
    prompt_bytes: Option<f64>,
    most_tokens: Option<u64>,
    endpoint: Endpoint,
    only_loads: bool,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All of it came.
    Whole,
    /// Its client left.
    Left,
    /// It broke.
    Broken,
}

/// What is counted of a streamed answer while it passes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Pieces in a row for which nobody had to wait.
    behind: u32,
}

/// One try at one backend, from when it is asked.
pub(crate) struct Lesson {
    scene: Arc<Scene>,
    live: Arc<HoldingLive>,
    backend: Arc<Backend>,
    /// How fast the model is taken to be.
    known: Option<Rates>,
    /// Tokens of the prompt that need not be read.
    cached_tokens: f64,
    model: ModelName,
    bytes: u64,
    load: Load,
    sent: Instant,
    first: Option<Instant>,
    /// Company, from when the answer began.
    marks: Option<(Mark, Mark)>,
    pupil: Option<Pupil>,
}

impl Pupil {
    pub(crate) fn new(endpoint: Endpoint, headers: &HeaderMap, asked: &Asked) -> Self {
        let named =
            NAMES.iter().find_map(|name| headers.get(name)?.to_str().ok().filter(|told| !told.is_empty()));
        Self {
            app: App::new(named.unwrap_or_default()),
            prompt_bytes: asked.is_text.then_some(asked.prompt_bytes as f64),
            most_tokens: asked.most_tokens,
            endpoint,
            only_loads: asked.only_loads,
        }
    }

    /// Of a request that nothing is learned from.
    pub(crate) fn of_nobody(endpoint: Endpoint) -> Self {
        Self { app: App::default(), prompt_bytes: None, most_tokens: None, endpoint, only_loads: true }
    }

    /// Puts into a profile how long prompt and answer will be, as far as was learned of the model.
    pub(crate) fn estimate(&self, profile: &mut Profile, of_model: Option<&OfModel>, prompt_bytes: f64) {
        let tokens = of_model
            .map_or_else(|| PromptTokens::guess(prompt_bytes), |known| known.prompt_tokens(prompt_bytes));
        let answer = of_model.map_or(Profile::PRIOR_ANSWER_TOKENS, |known| known.answer_tokens(&self.app));
        let most = match self.most_tokens {
            _ if !self.makes_answer() => 0.0,
            None => f64::INFINITY,
            Some(most) => most as f64,
        };
        profile.prompt_tokens = tokens.likely;
        profile.expected_tokens = answer.min(most);
        profile.context_min_tokens = tokens.low;
        profile.context_tokens = tokens.high + (answer * LONG_ANSWER).min(most);
    }

    /// Whether tokens are made and not only read.
    fn makes_answer(&self) -> bool {
        use Endpoint::{Embed, Embeddings, OpenAiEmbeddings, Show, Transcriptions};
        !self.only_loads
            && !matches!(self.endpoint, Embed | Embeddings | OpenAiEmbeddings | Transcriptions | Show)
    }

    /// Whether the first frame of a stream holds the first token. Others begin with frames that say only that the answer
    /// begins, some of them before anything was read.
    fn begins_with_a_token(&self) -> bool {
        use Endpoint::{Chat, Completions, Generate, OpenAiChat};
        matches!(self.endpoint, Chat | Completions | Generate | OpenAiChat)
    }
}

impl Pace {
    /// Nothing was there yet.
    pub(crate) fn waits(&mut self) {
        self.behind = 0;
    }

    /// A piece came.
    pub(crate) fn comes(&mut self) {
        self.behind = self.behind.saturating_add(1);
    }

    fn is_held_up(self) -> bool {
        self.behind >= BEHIND
    }
}

impl Lesson {
    /// A slot at `candidate` is taken, for a request that is sent at once.
    pub(crate) fn begin(candidate: &Candidate, residency: Option<Residency>, scene: &Arc<Scene>) -> Self {
        let now = scene.now();
        let Candidate { backend, holding } = candidate;
        holding.live.streams.enter(now);
        backend.live.streams.enter(now);
        Self {
            scene: Arc::clone(scene),
            live: Arc::clone(&holding.live),
            backend: Arc::clone(backend),
            known: holding.rates(backend, now),
            cached_tokens: 0.0,
            model: holding.model.name.clone(),
            bytes: holding.model.bytes,
            load: match residency {
                Some(Residency::OnDisk) => Load::Disk,
                Some(Residency::Warm) => Load::Cache,
                Some(Residency::Loading) => Load::Joined,
                Some(Residency::Resident) | None => Load::None,
            },
            sent: Instant::now(),
            first: None,
            marks: None,
            pupil: None,
        }
    }

    /// So many tokens of its prompt are predicted to be in the backend's cache: they teach nothing of how fast it reads.
    pub(crate) fn with_cached(mut self, cached_tokens: f64) -> Self {
        self.cached_tokens = cached_tokens;
        self
    }

    /// The answer begins, with a frame of a stream or with all of it.
    pub(crate) fn answers(&mut self, pupil: &Pupil, is_stream: bool) {
        let clock = Instant::now();
        let now = Moment::on(self.scene.start, clock);
        self.first = is_stream.then_some(clock);
        self.marks = Some((self.live.streams.mark(now), self.backend.live.streams.mark(now)));
        self.pupil = Some(pupil.clone());
    }

    /// It ended. `frames` of it came, if it came in frames.
    pub(crate) fn end(&mut self, ended: Ended, figures: Figures, frames: u64, pace: Pace) {
        let Some(pupil) = self.pupil.take() else { return };
        let clock = Instant::now();
        let now = Moment::on(self.scene.start, clock);
        let shown = self.shown(&pupil, figures, clock);
        let shown = Shown {
            frames,
            is_whole: ended == Ended::Whole,
            is_broken: ended == Ended::Broken,
            is_held_up: pace.is_held_up(),
            ..shown
        };
        if pupil.only_loads {
            if shown.is_whole {
                self.live.speed.learn_load(self.load, self.bytes, shown.total, now);
            }
            return;
        }
        let learnt = self.live.speed.learn(&shown, self.known, self.bytes, now);
        if let Some(ratio) = learnt.disagrees {
            let (node, model) = (Arc::clone(&self.backend.node.name), self.model.clone());
            let percent = (ratio * 100.0).round() as u32;
            self.scene.outcomes.changed(Event::Disagrees { node, model, percent });
        }
        self.live.of_model.learn(&pupil.app, &shown, now);
    }

    fn shown(&self, pupil: &Pupil, figures: Figures, clock: Instant) -> Shown {
        let answer_tokens = figures.answer_tokens.filter(|_| pupil.makes_answer());
        let first = self.first.map(|first| first.saturating_duration_since(self.sent));
        Shown {
            first: first.filter(|_| pupil.begins_with_a_token()),
            total: clock.saturating_duration_since(self.sent),
            prompt_bytes: pupil.prompt_bytes,
            prompt_tokens: figures.prompt_tokens,
            cached_tokens: self.cached_tokens,
            answer_tokens,
            is_capped: pupil
                .most_tokens
                .is_some_and(|most| answer_tokens.is_some_and(|tokens| tokens >= most)),
            company: self.company(Moment::on(self.scene.start, clock)),
            load: self.load,
            told: Told { load: figures.load, prompt: figures.prompt, answer: figures.answer },
            ..Shown::default()
        }
    }

    /// Who ran beside it, on average since the answer began.
    fn company(&self, now: Moment) -> Company {
        let Some((same, all)) = self.marks else { return Company::ALONE };
        let same = self.live.streams.mean_since(same, now);
        let all = self.backend.live.streams.mean_since(all, now);
        // Which models the requests of others use nobody tells; most of them use what is in memory.
        let foreign = f64::from(self.live.slots.foreign());
        Company { same: (same + foreign).max(1.0), other: (all - same).max(0.0) }
    }
}

impl Drop for Lesson {
    fn drop(&mut self) {
        let now = Moment::on(self.scene.start, Instant::now());
        self.live.streams.leave(now);
        self.backend.live.streams.leave(now);
    }
}
