//! What is going on now, version 1: the body of `GET /admin/v1/status`. Fields are added, never changed; a reader
//! ignores what it does not know.

use std::collections::{BTreeMap, BTreeSet};

use herdwick_fleet::breaker::Phase;
use herdwick_fleet::hang::stalled;
use herdwick_fleet::{Backend, Caution, Counts, Holding, Moment, Node, Reach, Snapshot, Standing};
use serde::{Deserialize, Serialize};

use crate::admin::state;
use crate::nodes::{AgentView, draining};

/// Router, requests, nodes, plugins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The router's version.
    pub version: String,
    /// Where it listens, like `0.0.0.0:11435`.
    pub listening: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Whether it was told to stop, and lets what runs end.
    pub stopping: bool,
    /// Requests for a model since it started.
    pub requests: RequestsView,
    /// Every node, in the order in which they were named.
    pub nodes: Vec<NodeView>,
    /// How the plugins fare.
    pub plugins: PluginCountsView,
    /// What should be done, when something should.
    pub next: Option<String>,
}

/// Requests for a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsView {
    /// Those that began and did not end.
    pub under_way: u64,
    /// Of them, those that wait for a slot.
    pub waiting: u64,
    /// Whole answers that were no error.
    pub served: u64,
    /// Errors, and answers that broke off.
    pub failed: u64,
    /// Clients that left before they had their answer.
    pub left: u64,
    /// Tokens of answers, as far as backends told.
    pub answer_tokens: u64,
}

/// One model server on a node. A node that has none is there with an empty `origin`, and `down`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeView {
    /// Who its node is: 32 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its node's standing: `plain` (no agent), `online`, `held`, `stale` or `offline`.
    pub standing: String,
    /// The agent that speaks for its node, or did.
    pub agent: Option<AgentView>,
    /// Whether its node takes no new work: `agent` or `operator` says so, or both.
    pub draining: Vec<String>,
    /// What its operator says of its node.
    pub labels: BTreeMap<String, String>,
    /// Which server it is: `ollama`, `llama.cpp`, `vllm`, `lm-studio`, `mlx` or `openai`.
    pub kind: String,
    /// Requests that run there and are not this router's, as far as is told.
    pub foreign: u32,
    /// Where it listens, like `http://10.0.0.5:11434`.
    pub origin: String,
    /// `up`, `down`, or `unknown` before its first answer.
    pub reach: String,
    /// Why nobody is sent there; empty when somebody may be.
    pub why: String,
    /// How requests to it fared: `passing`, `tripped` or `probation`; empty from versions that do not tell.
    pub breaker: String,
    /// Why it gets fewer requests than it takes, for people; empty when it gets what there is.
    pub caution: String,
    /// Failures in a row.
    pub failures: u32,
    /// Share of failures of the last five minutes; `None` without a request.
    pub failed_ratio: Option<f64>,
    /// Its software's version, empty when unknown.
    pub version: String,
    /// Seconds since it last answered a probe.
    pub seen_s: Option<u64>,
    /// Its models, by name.
    pub models: Vec<ModelView>,
}

/// A model on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelView {
    /// As the node spells it.
    pub name: String,
    /// `resident`, `loading`, `warm`, `on disk` or `unknown`.
    pub state: String,
    /// Milliseconds until it is resident, as predicted; 0 when it is.
    pub load_ms: Option<f64>,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes in the GPU's memory, while resident.
    pub vram_bytes: Option<u64>,
    /// The context it was loaded with, in tokens, while resident.
    pub context_tokens: Option<u32>,
    /// Whether its operator wants it in memory, whatever comes.
    #[serde(default)]
    pub pinned: bool,
    /// Requests that run now.
    pub busy: u32,
    /// Requests that it takes at once.
    pub slots: u32,
}

/// How the plugins fare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCountsView {
    /// How many are asked.
    pub live: usize,
    /// Those that are not asked although they should be: name and why.
    pub troubled: Vec<(String, String)>,
}

impl From<Counts> for RequestsView {
    fn from(counts: Counts) -> Self {
        let Counts { under_way, waiting, served, failed, left, answer_tokens } = counts;
        Self { under_way, waiting, served, failed, left, answer_tokens }
    }
}

impl NodeView {
    /// Every model server as it is at `now`, in the order in which they joined, and then machines without one.
    pub fn all(snapshot: &Snapshot, now: Moment) -> Vec<Self> {
        let servers = snapshot.backends().iter().map(|backend| Self::new(backend, now));
        let busy: BTreeSet<_> = snapshot.backends().iter().map(|backend| backend.id.node).collect();
        let idle = snapshot.nodes().iter().filter(|node| !busy.contains(&node.id));
        servers.chain(idle.map(|node| Self::without_server(node, now))).collect()
    }

    /// A machine on which no model server runs.
    pub fn without_server(node: &Node, now: Moment) -> Self {
        let why = match node.standing {
            Standing::Lost => "it is offline",
            _ => "no model server runs there",
        };
        Self {
            reach: "down".to_owned(),
            why: why.to_owned(),
            seen_s: node.live.beat().map(|beat| now.since(beat).as_secs()),
            ..Self::of(node, now)
        }
    }

    /// `up`, `down`, or `unknown` before its first answer.
    pub(crate) fn reach_of(backend: &Backend) -> &'static str {
        match &backend.reach {
            Reach::Unknown => "unknown",
            _ if backend.unreachable().is_some() => "down",
            _ => "up",
        }
    }

    fn of(node: &Node, now: Moment) -> Self {
        Self {
            id: node.id.to_string(),
            name: node.name.to_string(),
            standing: node.standing.word().to_owned(),
            agent: AgentView::new(node, now),
            draining: draining(node),
            labels: node.labels.clone(),
            ..Self::default()
        }
    }

    /// The backend as it is at `now`.
    pub fn new(backend: &Backend, now: Moment) -> Self {
        Self {
            kind: backend.kind.name().to_owned(),
            foreign: backend.foreign,
            origin: backend.origin.to_string(),
            reach: Self::reach_of(backend).to_owned(),
            why: backend.unreachable().unwrap_or_default().to_owned(),
            breaker: phase(backend.live.breaker.phase(now)).to_owned(),
            caution: caution(backend, now).unwrap_or_default(),
            failures: backend.live.breaker.row(),
            failed_ratio: backend.live.breaker.share(now),
            version: backend.version.to_string(),
            seen_s: backend.seen.map(|seen| now.since(seen).as_secs()),
            models: backend.holdings.values().map(|holding| ModelView::new(backend, holding, now)).collect(),
            ..Self::of(&backend.node, now)
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Passing => "passing",
        Phase::Tripped(_) => "tripped",
        Phase::Probation(_) => "probation",
    }
}

/// The weightiest thing that is held against it.
fn caution(backend: &Backend, now: Moment) -> Option<String> {
    let breaker = &backend.live.breaker;
    let stalled = || Some(format!("does not answer its own agent for {} s", stalled(backend)?.as_secs()));
    let probation = || match breaker.phase(now) {
        Phase::Probation(Some(_)) => Some("answers again after failures, and gets slowly more".to_owned()),
        Phase::Probation(None) => Some("failed, and is tried with the next request".to_owned()),
        _ => None,
    };
    let said = breaker.caution(0, now).filter(|caution| !matches!(caution, Caution::Tried(_)));
    let said = said.or_else(|| breaker.load_caution(now)).map(|caution| caution.to_string());
    let said = said.or_else(stalled).or_else(probation)?;
    Some(said.strip_prefix("is ").unwrap_or(&said).to_owned())
}

impl ModelView {
    pub(crate) fn new(backend: &Backend, holding: &Holding, now: Moment) -> Self {
        let residency = holding.residency(now);
        let resident = holding.resident(now);
        Self {
            name: holding.model.listed_as.clone(),
            state: state(residency.map(|(state, _)| state)).to_owned(),
            load_ms: residency.map(|(_, left)| left),
            bytes: holding.model.bytes,
            vram_bytes: resident.map(|loaded| loaded.vram_bytes),
            context_tokens: resident.and_then(|loaded| loaded.context_tokens),
            pinned: backend.node.pins.contains(&holding.model.name),
            busy: holding.live.slots.busy(),
            slots: holding.live.slots.total(),
        }
    }
}
