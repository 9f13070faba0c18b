//! What was learned, as the admin API names it, version 1. Fields are added, never changed; a reader ignores what it does
//! not know.
//!
//! | route | body | answer |
//! | --- | --- | --- |
//! | `GET /admin/v1/models` | | [`ModelsView`] |
//! | `GET /admin/v1/nodes/{name}/learned` | | [`NodeLearnedView`] |
//! | `POST /admin/v1/learned/reset` | [`ResetLearned`] | [`ResetView`], once it is forgotten for good |
//!
//! What cannot be done is answered 4xx with [`crate::admin::ErrorView`].

use std::collections::BTreeMap;

use herdwick_fleet::learned::Track;
use herdwick_fleet::{
    Backend, Estimate, Holding, Hour, Learned, Lesson, Moment, Node, Quantity, Snapshot, Speed, Subject,
};
use serde::{Deserialize, Serialize};

use crate::status::{ModelView, NodeView};

/// A figure that was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FigureView {
    /// How much, in the unit of the field that it stands in.
    pub value: f64,
    /// How far samples lie apart, as a share of it (0.1 = ±10 %); of what may be negative in its unit.
    pub spread: f64,
    /// Samples behind it.
    pub samples: u32,
    /// Seconds since the last of them.
    pub age_s: u64,
}

/// How fast a model is on a server. What is missing was not learned yet; then what is guessed counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeedView {
    /// Prompt tokens read per second.
    pub prefill_per_s: Option<FigureView>,
    /// Answer tokens made per second by a stream alone.
    pub decode_per_s: Option<FigureView>,
    /// How much each further stream of the model slows one down, as a share.
    pub same_drag: Option<FigureView>,
    /// How much each stream of another model does.
    pub other_drag: Option<FigureView>,
    /// Bytes per second of a load from disk.
    pub load_disk_bytes_per_s: Option<FigureView>,
    /// Bytes per second of a load from the page cache.
    pub load_cache_bytes_per_s: Option<FigureView>,
    /// Milliseconds by which waits were longer than predicted.
    pub wait_bias_ms: Option<FigureView>,
    /// What the server tells of its durations, in times of what was observed, where that differs much.
    pub told_ratio: Option<f64>,
    /// Prompt tokens per second that are reckoned with now.
    pub reckoned_prefill_per_s: Option<f64>,
    /// Answer tokens per second that are reckoned with now.
    pub reckoned_decode_per_s: Option<f64>,
    /// Milliseconds of a load from disk that are reckoned with now.
    pub reckoned_load_ms: Option<f64>,
}

/// Every model of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelsView {
    /// By name.
    pub models: Vec<FleetModelView>,
}

/// One model, wherever it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetModelView {
    /// Its canonical name.
    pub name: String,
    /// Tokens of an answer, over all who ask.
    pub answer_tokens: Option<FigureView>,
    /// Bytes of text per token of a prompt.
    pub bytes_per_token: Option<FigureView>,
    /// Tokens of an answer by who asks; the empty name is whoever does not say.
    pub apps: BTreeMap<String, FigureView>,
    /// Where it is.
    pub holders: Vec<HolderView>,
}

/// A model on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HolderView {
    /// The machine's name.
    pub node: String,
    /// Which server it is: `ollama`, `llama.cpp`…
    pub kind: String,
    /// Where it listens.
    pub origin: String,
    /// `up`, `down`, or `unknown` before its first answer.
    pub reach: String,
    /// What its server calls its content; equal digests are the same weights.
    pub digest: String,
    /// The model there.
    pub model: ModelView,
    /// How fast it is there.
    pub speed: SpeedView,
}

/// What was learned of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeLearnedView {
    /// What it is called.
    pub name: String,
    /// Its models.
    pub holders: Vec<HolderView>,
    /// When it is ours.
    pub hours: HoursView,
}

/// When a machine is ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HoursView {
    /// The share of each hour of the week in which it is expected to be ours, from Monday 0:00, local time of the router;
    /// empty when nothing is known.
    pub expected: Vec<f64>,
    /// Minutes in which it was looked at, by hour.
    pub minutes: Vec<u32>,
    /// The share of this hour.
    pub availability: Option<f64>,
    /// -1 getting busier to 1 getting freer.
    pub trend: Option<f64>,
}

/// What to forget: everything that is of all that is named. Nothing named is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResetLearned {
    /// The machine's name.
    pub node: Option<String>,
    /// The model's name.
    pub model: Option<String>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetView {
    /// Models on servers of which nothing is known any more.
    pub speeds: usize,
    /// Models and programs of which no lengths are known any more.
    pub lengths: usize,
    /// Machines of which no hours are known any more.
    pub machines: usize,
}

impl From<Estimate> for FigureView {
    fn from(estimate: Estimate) -> Self {
        let spread = estimate.spread();
        Self { value: estimate.mean, spread, samples: estimate.samples, age_s: estimate.age.as_secs() }
    }
}

impl FigureView {
    /// Of a quantity that may be negative: its spread is in its own unit.
    fn signed(estimate: Estimate) -> Self {
        Self { spread: estimate.variance.max(0.0).sqrt(), ..Self::from(estimate) }
    }
}

impl SpeedView {
    /// The model's as it is at `now`.
    pub fn new(backend: &Backend, holding: &Holding, now: Moment) -> Self {
        let speed: &Speed = &holding.live.speed;
        let known = |what| speed.track(what).and_then(|track: &Track| track.estimate(now));
        let positive = |what| known(what).map(FigureView::from);
        let signed = |what| known(what).map(FigureView::signed);
        let rates = holding.rates(backend, now);
        Self {
            prefill_per_s: positive(Quantity::Prefill),
            decode_per_s: positive(Quantity::Decode),
            same_drag: signed(Quantity::SameDrag),
            other_drag: signed(Quantity::OtherDrag),
            load_disk_bytes_per_s: positive(Quantity::LoadDisk),
            load_cache_bytes_per_s: positive(Quantity::LoadCache),
            wait_bias_ms: signed(Quantity::WaitBias),
            told_ratio: speed.disagrees(),
            reckoned_prefill_per_s: rates.map(|rates| rates.prefill_per_s),
            reckoned_decode_per_s: rates.map(|rates| rates.decode_per_s),
            reckoned_load_ms: (holding.model.bytes > 0).then(|| holding.load_ms(false)),
        }
    }
}

impl HolderView {
    /// The model as it is at `now`.
    pub fn new(backend: &Backend, holding: &Holding, now: Moment) -> Self {
        Self {
            node: backend.node.name.to_string(),
            kind: backend.kind.name().to_owned(),
            origin: backend.origin.to_string(),
            reach: NodeView::reach_of(backend).to_owned(),
            digest: holding.model.digest.clone(),
            model: ModelView::new(backend, holding, now),
            speed: SpeedView::new(backend, holding, now),
        }
    }
}

impl ModelsView {
    /// Every model that somebody has.
    pub fn new(snapshot: &Snapshot, learned: &Learned, now: Moment) -> Self {
        let mut models: BTreeMap<String, FleetModelView> = BTreeMap::new();
        for name in snapshot.models() {
            let holders =
                snapshot.holders(name).map(|(backend, holding)| HolderView::new(backend, holding, now));
            let view = FleetModelView {
                name: name.to_string(),
                holders: holders.collect(),
                ..FleetModelView::default()
            };
            models.insert(name.to_string(), view);
        }
        for Lesson { of, what, estimate } in learned.export(now) {
            let figure = FigureView::from(estimate);
            match (of, what) {
                (Subject::Model { model }, Quantity::AnswerTokens) => {
                    models.get_mut(model.as_str()).into_iter().for_each(|it| it.answer_tokens = Some(figure));
                }
                (Subject::Model { model }, Quantity::BytesPerToken) => {
                    models
                        .get_mut(model.as_str())
                        .into_iter()
                        .for_each(|it| it.bytes_per_token = Some(figure));
                }
                (Subject::App { app, model }, Quantity::AnswerTokens) => {
                    let model = models.get_mut(model.as_str());
                    model.into_iter().for_each(|it| _ = it.apps.insert(app.as_str().to_owned(), figure));
                }
                _ => {}
            }
        }
        Self { models: models.into_values().collect() }
    }
}

impl NodeLearnedView {
    /// The machine as it is at `now`.
    pub fn new(node: &Node, snapshot: &Snapshot, learned: &Learned, now: Moment) -> Self {
        let own = snapshot.backends().iter().filter(|backend| backend.id.node == node.id);
        let holders = own.flat_map(|backend| {
            backend.holdings.values().map(|holding| HolderView::new(backend, holding, now))
        });
        Self {
            name: node.name.to_string(),
            holders: holders.collect(),
            hours: HoursView::new(node, learned, now),
        }
    }
}

impl HoursView {
    fn new(node: &Node, learned: &Learned, now: Moment) -> Self {
        let hours = &node.live.hours;
        let week = (0..Hour::COUNT).filter_map(Hour::new);
        let expected: Vec<f64> = week.filter_map(|hour| hours.expected(hour)).collect();
        let mut minutes = vec![0; if expected.is_empty() { 0 } else { usize::from(Hour::COUNT) }];
        for Lesson { of, what, estimate } in learned.export(now) {
            if let (Subject::Machine { node: of }, Quantity::Hour(hour)) = (of, what)
                && of == node.id
                && let Some(minutes) = minutes.get_mut(usize::from(hour.index()))
            {
                *minutes = estimate.samples;
            }
        }
        let finite = |value: f64| value.is_finite().then_some(value);
        Self {
            expected,
            minutes,
            availability: finite(hours.availability_ratio()),
            trend: finite(hours.trend_ratio()),
        }
    }
}
