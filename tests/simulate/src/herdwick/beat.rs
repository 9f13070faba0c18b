//! What a machine's agent would tell of it. Must not tell what no agent can see: rates, caches, lengths.

use std::time::Duration;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Agent, BackendKind, Claim, Column, Door, Model, ModelName, Moment, NodeId, Report, ResidentClaim,
    ServerReport,
};

use crate::fleets::{MODELS, ModelId, NodeNo};
use crate::node::{Health, Node};

/// Where every server listens.
const PORT: u16 = 11_434;
/// How old what an agent tells is.
const AGE: Duration = Duration::from_millis(100);

/// One heartbeat.
pub(super) fn report(no: NodeNo, node: &Node, now: Moment) -> Report {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(no.0 as u64 + 1).to_be_bytes());
    let is_down = node.health != Health::Well;
    let server = ServerReport {
        kind: BackendKind::Ollama,
        port: PORT,
        door: Door::Direct,
        down: is_down.then(|| "it does not answer".to_owned()),
        version: "0.12.6".into(),
        slots: Some(node.spec.slots as u32),
        max_loaded: None,
        keep_alive: None,
        age: AGE,
        models: Some(listed(node)),
        resident: resident(node),
        foreign: 0,
    };
    let readings = [
        (Column::MemTotal, node.spec.memory),
        (Column::MemFree, node.spec.memory - node.used()),
        (Column::MemSystem, node.spec.memory),
        (Column::Bandwidth, node.spec.bandwidth),
    ];
    Report {
        node: NodeId::from_key(&key),
        name: node.spec.name.clone(),
        agent: Agent::Herdwick { version: "0.1.0".into() },
        address: (0x0a00_0000_u32 + no.0 as u32 + 1).to_be_bytes().into(),
        at: now,
        interval: Duration::from_secs(1),
        draining: false,
        servers: vec![server],
        readings: readings.map(|(column, value)| (column, value, AGE)).into(),
        other_routers: 0,
    }
}

/// What a server answers that is asked directly.
pub(super) fn claims(node: &Node) -> Vec<Claim> {
    vec![Claim::Version("0.12.6".to_owned()), Claim::Models(listed(node)), Claim::Resident(resident(node))]
}

fn listed(node: &Node) -> Vec<Model> {
    ModelId::all().filter(|model| node.on_disk[model.0]).filter_map(model).collect()
}

fn resident(node: &Node) -> Vec<ResidentClaim> {
    let there = ModelId::all().filter(|model| node.is_resident(*model));
    let claims = there.filter_map(|model| {
        let bytes = model.in_memory() as u64;
        let loaded = Loaded { bytes, vram_bytes: bytes, context_tokens: Some(32_768), ..Loaded::default() };
        Some(ResidentClaim { name: ModelName::parse(model.spec().name).ok()?, loaded })
    });
    claims.collect()
}

fn model(model: ModelId) -> Option<Model> {
    let spec = MODELS[model.0];
    Some(Model {
        name: ModelName::parse(spec.name).ok()?,
        listed_as: spec.name.to_owned(),
        digest: format!("{:064x}", model.0),
        bytes: spec.bytes as u64,
        modified_at: "2026-01-01T00:00:00Z".to_owned(),
        format: "gguf".to_owned(),
        family: "sheep".to_owned(),
        parameter_size: String::new(),
        quantization: "Q4_K_M".to_owned(),
    })
}
