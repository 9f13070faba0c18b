//! Machines as the admin API names them, version 1: `GET /admin/v1/nodes` and what commands send and are answered.
//! Fields are added, never changed; a reader ignores what it does not know.
//!
//! | route | body | answer |
//! | --- | --- | --- |
//! | `GET /admin/v1/nodes` | | [`NodesView`] |
//! | `GET /admin/v1/nodes/{name}` | | [`MachineView`] |
//! | `POST /admin/v1/nodes` | [`AddNode`] | [`NodesView`] |
//! | `DELETE /admin/v1/nodes/{name}` | | [`NodesView`] |
//! | `POST /admin/v1/nodes/{name}/drain`, `/undrain`, `/forget` | | [`NodesView`] |
//! | `POST /admin/v1/nodes/{name}/label` | [`LabelNode`] | [`NodesView`] |
//! | `POST /admin/v1/nodes/{name}/rename` | [`RenameNode`] | [`NodesView`] |
//! | `POST /admin/v1/nodes/{name}/test` | | [`TestView`] |
//!
//! What cannot be done is answered 4xx with [`crate::admin::ErrorView`].

use std::collections::BTreeMap;

use herdwick_fleet::{Backend, Column, Moment, Node, Reading, Snapshot};
use serde::{Deserialize, Serialize};

use crate::machine::MachineFacts;
use crate::status::NodeView;

/// Every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodesView {
    /// By name.
    pub nodes: Vec<MachineView>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineView {
    /// Who it is: 32 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `plain` (no agent), `online`, `held`, `stale` or `offline`.
    pub standing: String,
    /// Milliseconds until it is asked like others again, while `held`.
    pub held_ms: Option<u64>,
    /// Seconds since it was heard of: its agent, or a server that answered; `None` = never, as far as is remembered.
    #[serde(default)]
    pub seen_s: Option<u64>,
    /// The agent that speaks for it, or did.
    pub agent: Option<AgentView>,
    /// Whether it takes no new work: `agent` or `operator` says so, or both.
    pub draining: Vec<String>,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Its model servers.
    pub servers: Vec<NodeView>,
    /// What its agent tells people of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<MachineFacts>,
    /// What its agent tells plugins of it, as far as that is believed now.
    #[serde(default)]
    pub readings: Vec<ReadingView>,
}

/// A number about a machine that plugins see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadingView {
    /// The name of its column, like `mem.free-bytes`.
    pub name: String,
    /// In the unit of its name.
    pub value: f64,
    /// Milliseconds since it was so.
    pub age_ms: u64,
}

/// The agent of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// Which program and version, like `herdwick 0.1.0`.
    pub program: String,
    /// Milliseconds since it was heard; `None` when this router never heard it.
    pub heard_ms: Option<u64>,
}

/// A machine to be added, without an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddNode {
    /// Where it listens, like `http://10.0.0.5:11434`.
    pub url: String,
    /// What to call it; its host when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Requests that each of its models takes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// What its operator says of it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Labels in place of those before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelNode {
    /// All of them.
    pub labels: BTreeMap<String, String>,
}

/// Another name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenameNode {
    /// From now on.
    pub name: String,
}

/// What was found when the router asked each server of a machine itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestView {
    /// What the machine is called.
    pub name: String,
    /// Each server.
    pub servers: Vec<ServerTestView>,
}

/// What was found at one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerTestView {
    /// Where it was asked.
    pub origin: String,
    /// What it turned out to be, like `ollama`; what it was taken for when it did not answer.
    pub kind: String,
    /// Whether it answered.
    pub reachable: bool,
    /// Why it did not answer, or what is wrong with its answer; empty when all is well.
    pub problem: String,
    /// Its software's version, empty when unknown.
    pub version: String,
    /// Models that it has.
    pub models: usize,
    /// Models that it has in memory.
    pub resident: usize,
    /// Milliseconds from asking to the whole answer.
    pub round_trip_ms: f64,
}

impl MachineView {
    /// The machine as it is at `now`.
    pub fn new(node: &Node, snapshot: &Snapshot, now: Moment) -> Self {
        let own = snapshot.backends().iter().filter(|backend| backend.id.node == node.id);
        let seen = own.clone().filter_map(|backend| backend.seen).chain(node.live.beat()).max();
        Self {
            id: node.id.to_string(),
            name: node.name.to_string(),
            standing: node.standing.word().to_owned(),
            held_ms: node.held(now).map(|rest| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)),
            seen_s: seen.map(|seen| now.since(seen).as_secs()),
            agent: AgentView::new(node, now),
            draining: draining(node),
            labels: node.labels.clone(),
            facts: None,
            readings: own.clone().next().map(|backend| readings(backend, now)).unwrap_or_default(),
            servers: own.map(|backend| NodeView::new(backend, now)).collect(),
        }
    }
}

impl AgentView {
    /// The agent of a machine that has one.
    pub fn new(node: &Node, now: Moment) -> Option<Self> {
        let agent = node.agent.as_ref()?;
        let heard = node.live.beat().map(|at| now.since(at).as_millis());
        Some(Self {
            program: agent.to_string(),
            heard_ms: heard.map(|age| u64::try_from(age).unwrap_or(u64::MAX)),
        })
    }
}

/// What is told of the machine of a backend. An agent tells all of its servers the same.
fn readings(backend: &Backend, now: Moment) -> Vec<ReadingView> {
    let fresh = backend.readings.iter().filter(|(_, reading)| reading.at(now).is_some());
    let view = |(column, reading): (&Column, &Reading<f64>)| ReadingView {
        name: column.name().to_owned(),
        value: *reading.last(),
        age_ms: u64::try_from(now.since(reading.taken()).as_millis()).unwrap_or(u64::MAX),
    };
    fresh.map(view).collect()
}

/// Who wants that a machine takes no new work.
pub(crate) fn draining(node: &Node) -> Vec<String> {
    let wanted = [("agent", node.draining.by_agent), ("operator", node.draining.by_operator)];
    wanted.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(who, _)| who.to_owned()).collect()
}
