//! A model server on a node: what kind it is, whether it answers, and which models it holds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::column::Column;
use crate::id::{BackendId, RowId};
use crate::learned::Rates;
use crate::live::{BackendLive, HoldingLive};
use crate::model::{Model, ModelName, Residency};
use crate::moment::Moment;
use crate::node::{Node, Origin};
use crate::reading::Reading;
use crate::standing::Standing;

/// Which program a backend is, and by that which API it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// Ollama: its native API, OpenAI's and Anthropic's.
    Ollama,
    /// llama.cpp's server: OpenAI's API.
    LlamaCpp,
    /// vLLM: OpenAI's API.
    Vllm,
    /// LM Studio: OpenAI's API.
    LmStudio,
    /// An MLX server: OpenAI's API.
    Mlx,
    /// Any other server with OpenAI's API.
    OpenAi,
}

impl BackendKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Ollama, Self::LlamaCpp, Self::Vllm, Self::LmStudio, Self::Mlx, Self::OpenAi];
    /// What every kind but Ollama serves.
    const OPENAI: [&str; 4] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

    /// As it is written in heartbeats, for plugins and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::Vllm => "vllm",
            Self::LmStudio => "lm-studio",
            Self::Mlx => "mlx",
            Self::OpenAi => "openai",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it serves this path of a client's request as it is.
    pub fn serves(self, path: &str) -> bool {
        self == Self::Ollama || Self::OPENAI.contains(&path)
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What is said of a backend that its agent reaches and this router does not; why follows.
pub const CUT_OFF: &str = "its agent reaches it, and this router does not";

/// Whether a backend answers, as far as probes know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Not probed yet.
    Unknown,
    /// The last probe was answered.
    Up,
    /// The last probe failed; why, for people.
    Down(Arc<str>),
}

/// One model server.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Who it is, everywhere.
    pub id: BackendId,
    /// Its row in the signals' matrix.
    pub row: RowId,
    /// The machine it runs on.
    pub node: Arc<Node>,
    /// Where it listens.
    pub origin: Arc<Origin>,
    /// What requests to it must carry, where an agent passes them on.
    pub bearer: Option<Arc<str>>,
    /// Which API it speaks.
    pub kind: BackendKind,
    /// Whether it answers.
    pub reach: Reach,
    /// Its software's version as told, empty when unknown.
    pub version: Arc<str>,
    /// When it last answered a probe, ours or its agent's.
    pub seen: Option<Moment>,
    /// When it last listed its models.
    pub listed: Option<Moment>,
    /// The models it holds.
    pub holdings: BTreeMap<ModelName, Arc<Holding>>,
    /// Numbers told of it and of its machine, by column.
    pub readings: BTreeMap<Column, Reading<f64>>,
    /// Requests that run there and are not this router's, as its agent tells. Which models they use nobody tells.
    pub foreign: u32,
    /// What must be true this instant.
    pub live: Arc<BackendLive>,
}

impl Backend {
    /// A number that was told of it, as long as it is fresh.
    pub fn reading(&self, column: Column, now: Moment) -> Option<f64> {
        self.readings.get(&column)?.at(now).copied()
    }

    /// Why nobody can be sent here, if so.
    pub fn unreachable(&self) -> Option<&str> {
        match &self.reach {
            Reach::Down(_) if self.node.standing == Standing::Lost => Some("it is offline"),
            Reach::Down(why) => Some(why),
            Reach::Unknown => Some("it has not answered yet"),
            Reach::Up if self.live.is_refused() => Some("it refused a connection just now"),
            Reach::Up => None,
        }
    }

    /// Whether it can be sent new work at all.
    pub fn takes_work(&self) -> bool {
        self.unreachable().is_none() && !self.node.draining.is_wanted()
    }
}

/// A model held by a backend.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The model's facts.
    pub model: Arc<Model>,
    /// Whether it is resident, as last polled.
    pub polled: Option<Reading<Resident>>,
    /// What must be true this instant.
    pub live: Arc<HoldingLive>,
}

/// What `/api/ps` tells of one model, or that it lists it not.
#[derive(Clone, Debug, PartialEq)]
pub enum Resident {
    /// Not listed.
    No,
    /// Listed.
    Yes(Loaded),
}

/// What a backend tells of a model in its memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Bytes in memory, wherever.
    pub bytes: u64,
    /// Bytes of them on the GPU.
    pub vram_bytes: u64,
    /// The context it was loaded with, in tokens; `None` from versions that do not tell.
    pub context_tokens: Option<u32>,
    /// When it will be let go of, as told: RFC 3339 by the backend's own clock. For telling it on only.
    pub expires_at: Arc<str>,
}

/// How long a model's file is taken to stay in the page cache after its last answer: what was in memory a moment ago was
/// read a moment ago, and whatever drove it out reads files as well.
const WARM_FOR: Duration = Duration::from_secs(600);

/// A load that is overdue is predicted to need this share of its prediction more.
const OVERDUE_RATIO: f64 = 0.2;

impl Holding {
    /// Predicted time of a whole load, in milliseconds; `is_cached` says that its file is in the page cache.
    pub fn load_ms(&self, is_cached: bool) -> f64 {
        self.model.bytes as f64 / self.live.speed.load_bytes_per_s(is_cached) * 1e3
    }

    /// How fast the model is on `backend`: as learned, else as its size and the machine's memory make likely. `None` =
    /// nobody knows.
    pub fn rates(&self, backend: &Backend, now: Moment) -> Option<Rates> {
        let bandwidth = backend.reading(Column::Bandwidth, now);
        self.live.speed.rates(Rates::guess(self.model.bytes, bandwidth))
    }

    /// Whether the model's file is probably in the page cache.
    pub fn is_cached(&self, now: Moment) -> bool {
        self.live.succeeded().is_some_and(|last| now.since(last) <= WARM_FOR)
    }

    /// How ready the model is, and, unless it is resident, the milliseconds that are left until it is.
    /// `None` when the poll is stale and nothing of our own says more.
    pub fn residency(&self, now: Moment) -> Option<(Residency, f64)> {
        let is_cached = self.is_cached(now);
        let load_ms = self.load_ms(is_cached);
        let polled = self.polled.as_ref().and_then(|reading| Some((reading.at(now)?, reading.taken())));
        // A poll that was taken before we had it evicted does not know of that.
        let evicted = |taken| self.live.evicted().is_some_and(|evicted| evicted >= taken);
        if let Some((Resident::Yes(_), taken)) = polled
            && !evicted(taken)
        {
            return Some((Residency::Resident, 0.0));
        }
        if let Some(began) = self.live.load_began() {
            let done = duration_ms(now.since(began));
            // A load that takes longer than predicted is not about to end because of that.
            let rest = (load_ms - done).max(load_ms * OVERDUE_RATIO);
            return Some((Residency::Loading, rest));
        }
        match (polled, self.live.succeeded()) {
            // An answer newer than the poll proves what the poll could not know yet.
            (Some((_, taken)), Some(succeeded)) if succeeded >= taken && !evicted(taken) => {
                Some((Residency::Resident, 0.0))
            }
            (Some(_), _) if is_cached => Some((Residency::Warm, load_ms)),
            (Some(_), _) => Some((Residency::OnDisk, load_ms)),
            (None, _) => None,
        }
    }

    /// The figures of a resident model, while fresh.
    pub fn resident(&self, now: Moment) -> Option<&Loaded> {
        let polled = self.polled.as_ref()?;
        match polled.at(now)? {
            Resident::Yes(_) if self.live.evicted().is_some_and(|evicted| evicted >= polled.taken()) => None,
            Resident::Yes(loaded) => Some(loaded),
            Resident::No => None,
        }
    }
}

fn duration_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPS: Duration = Duration::from_secs(6);

    fn holding(polled: Option<Resident>) -> Holding {
        let name = ModelName::parse("m").expect("a valid name");
        let model = Model {
            name,
            listed_as: "m:latest".into(),
            digest: String::new(),
            bytes: 3_000_000_000,
            modified_at: String::new(),
            format: String::new(),
            family: String::new(),
            parameter_size: String::new(),
            quantization: String::new(),
        };
        Holding {
            model: Arc::new(model),
            polled: polled.map(|resident| Reading::new(resident, Moment(1_000), KEEPS)),
            live: Arc::new(HoldingLive::new(1)),
        }
    }

    #[test]
    fn a_poll_tells_hot_from_cold() {
        let hot = holding(Some(Resident::Yes(Loaded::default())));
        assert_eq!(hot.residency(Moment(1_000)), Some((Residency::Resident, 0.0)));
        let cold = holding(Some(Resident::No));
        assert_eq!(cold.residency(Moment(1_000)), Some((Residency::OnDisk, 2_000.0)));
    }

    #[test]
    fn a_stale_poll_tells_nothing() {
        assert_eq!(holding(Some(Resident::No)).residency(Moment(7_001)), None);
        assert_eq!(holding(None).residency(Moment(0)), None);
    }

    #[test]
    fn our_own_load_is_seen_before_any_poll_and_runs_down() {
        let cold = holding(Some(Resident::No));
        let _credit = cold.live.join_load(Moment(1_000));
        assert_eq!(cold.residency(Moment(1_500)), Some((Residency::Loading, 1_500.0)));
        assert_eq!(cold.residency(Moment(5_000)), Some((Residency::Loading, 400.0)), "overdue");
        cold.live.credit_success(Moment(5_000));
        assert_eq!(cold.residency(Moment(5_000)), Some((Residency::Resident, 0.0)));
    }

    #[test]
    fn an_older_answer_does_not_outrank_a_newer_poll() {
        let evicted = holding(Some(Resident::No));
        evicted.live.credit_success(Moment(500));
        let warm = Some((Residency::Warm, 500.0));
        assert_eq!(evicted.residency(Moment(1_000)), warm, "its file was read a moment ago");
        let mut later = holding(Some(Resident::No));
        later.live.credit_success(Moment(500));
        later.polled = Some(Reading::new(Resident::No, Moment(900_000), KEEPS));
        assert_eq!(later.residency(Moment(900_000)), Some((Residency::OnDisk, 2_000.0)));
    }
}
