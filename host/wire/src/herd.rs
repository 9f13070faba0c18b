//! The heartbeat of `herd-node`, the agent of Ollama Herd, as it comes unmodified to `POST /heartbeat`: what of it means
//! something here. It is signed by nobody, so that its machine is known by what it calls itself and where it is, together.
//!
//! Source: the payload of `ollama-herd` 0.6 to 0.11 as seen on the wire; sizes there are GiB, those of
//! models on disk decimal GB, and `null` facts of models mean "as before".

use std::collections::BTreeMap;
use std::time::Duration;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Agent, BackendKind, Column, Door, Model, ModelName, Moment, NodeId, Origin, Report, ResidentClaim,
    ServerReport,
};
use serde::Deserialize;

use crate::beat::{cut, limits, machine_name};

/// What it is answered; the agent takes anything that is 200 and JSON, and shows this.
pub const ONLINE: &str = r#"{"status":"ok","node_status":"online"}"#;
/// Bytes of what a machine may call itself.
const NAME: usize = 200;
/// How often such an agent beats, unless its owner says otherwise. It does not tell.
const INTERVAL: Duration = Duration::from_secs(5);
const GIB: f64 = (1_u64 << 30) as f64;
const GB: f64 = 1e9;

/// What one of its bodies says.
#[derive(Clone, Debug, PartialEq)]
pub enum HerdBeat {
    /// How the machine is. Large, and made once per beat.
    Alive(Box<Alive>),
    /// The machine is about to leave; nothing else is said.
    Leaves {
        /// What it calls itself.
        node_id: String,
    },
}

/// How a machine is.
#[derive(Clone, Debug, PartialEq)]
pub struct Alive {
    node_id: String,
    draining: bool,
    version: String,
    port: u16,
    ollama: Ollama,
    readings: Vec<(Column, f64)>,
}

/// Every field may be missing or `null`; what must be there is asked for afterwards.
#[derive(Deserialize)]
struct Body {
    node_id: Option<String>,
    draining: Option<bool>,
    agent_version: Option<String>,
    arch: Option<String>,
    cpu: Option<Cpu>,
    memory: Option<Memory>,
    thermal: Option<Thermal>,
    memory_bandwidth_gbps: Option<f64>,
    capacity: Option<Capacity>,
    ollama: Option<Ollama>,
    ollama_host: Option<String>,
}

#[derive(Deserialize)]
struct Cpu {
    utilization_pct: Option<f64>,
}

#[derive(Deserialize)]
struct Memory {
    total_gb: Option<f64>,
    available_gb: Option<f64>,
    pressure: Option<String>,
}

#[derive(Deserialize)]
struct Thermal {
    state: Option<String>,
}

#[derive(Deserialize)]
struct Capacity {
    availability_score: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Ollama {
    version: Option<String>,
    num_parallel: Option<u32>,
    max_loaded_models: Option<u32>,
    models_loaded: Option<Vec<Loads>>,
    models_available: Option<Vec<String>>,
    /// `None` = as before.
    models_available_meta: Option<BTreeMap<String, Facts>>,
    models_available_sizes: Option<BTreeMap<String, f64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Loads {
    name: String,
    size_gb: Option<f64>,
    context_length: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Facts {
    modified_at: Option<String>,
    digest: Option<String>,
    format: Option<String>,
    family: Option<String>,
    parameter_size: Option<String>,
    quantization_level: Option<String>,
}

impl HerdBeat {
    /// Reads a body.
    ///
    /// # Errors
    /// Every problem, each with its field and what to do.
    pub fn read(body: &[u8]) -> Result<Self, Vec<String>> {
        let body: Body = serde_json::from_slice(body).map_err(|error| vec![unreadable(&error)])?;
        let node_id = body.node_id.unwrap_or_default();
        let is_name = (1..=NAME).contains(&node_id.len()) && !node_id.chars().any(char::is_control);
        let mut problems = Vec::new();
        if !is_name {
            problems.push(format!("node_id: it is no name; tell one of 1 to {NAME} bytes"));
        }
        let draining = body.draining.unwrap_or_default();
        if draining && body.ollama.is_none() && problems.is_empty() {
            return Ok(Self::Leaves { node_id });
        }
        for (field, is_there) in [
            ("cpu", body.cpu.is_some()),
            ("memory", body.memory.is_some()),
            ("ollama", body.ollama.is_some()),
        ] {
            if !is_there {
                problems.push(format!("{field}: it is not there; use an agent of Ollama Herd 0.6 or later"));
            }
        }
        let (Some(cpu), Some(memory), Some(ollama)) = (body.cpu, body.memory, body.ollama) else {
            return Err(problems);
        };
        let port = port(body.ollama_host.as_deref(), &mut problems);
        if ollama.models_available.as_ref().is_some_and(|models| models.len() > limits::MODELS) {
            problems.push(format!("ollama.models_available: {} are taken; remove some", limits::MODELS));
        }
        if ollama.models_loaded.as_ref().is_some_and(|models| models.len() > limits::RESIDENT) {
            problems.push(format!("ollama.models_loaded: {} are taken", limits::RESIDENT));
        }
        let is_apple = body.arch.as_deref() == Some("apple_silicon");
        let thermal = body.thermal.and_then(|thermal| thermal.state);
        let readings = [
            (Column::CpuBusy, cpu.utilization_pct.map(|percent| percent / 100.0)),
            (Column::MemSystem, memory.total_gb.map(|gib| gib * GIB)),
            // Elsewhere that is not the memory in which models lie.
            (Column::MemTotal, memory.total_gb.filter(|_| is_apple).map(|gib| gib * GIB)),
            (Column::MemFree, memory.available_gb.filter(|_| is_apple).map(|gib| gib * GIB)),
            (Column::MemPressure, memory.pressure.as_deref().and_then(level)),
            (Column::Thermal, thermal.as_deref().and_then(level)),
            (Column::Bandwidth, body.memory_bandwidth_gbps.filter(|rate| *rate > 0.0).map(|gb| gb * GB)),
            (Column::Availability, body.capacity.and_then(|capacity| capacity.availability_score)),
        ];
        let readings =
            readings.into_iter().filter_map(|(column, value)| Some((column, sane(column, value?)?)));
        let alive = Alive {
            node_id,
            draining,
            version: text(body.agent_version),
            port,
            ollama,
            readings: readings.collect(),
        };
        if problems.is_empty() { Ok(Self::Alive(Box::new(alive))) } else { Err(problems) }
    }

    /// What it calls itself.
    pub fn node_id(&self) -> &str {
        match self {
            Self::Alive(alive) => &alive.node_id,
            Self::Leaves { node_id } => node_id,
        }
    }
}

impl Alive {
    /// As the fleet takes it in, for a machine that was seen at `address`. Without `is_listed` its models are told in any
    /// case, with as many facts as there are.
    pub fn report(self, address: std::net::IpAddr, at: Moment, is_listed: bool) -> Report {
        let name = match machine_name(&self.node_id) {
            name if name.is_empty() => "herd-node".to_owned(),
            name => name,
        };
        let models = match (&self.ollama.models_available_meta, is_listed) {
            (None, true) => None,
            _ => Some(self.ollama.models()),
        };
        let count = |count: Option<u32>| count.filter(|count| (1..=limits::COUNT).contains(count));
        let server = ServerReport {
            kind: BackendKind::Ollama,
            port: self.port,
            door: Door::Direct,
            down: None,
            slots: count(self.ollama.num_parallel),
            max_loaded: count(self.ollama.max_loaded_models),
            keep_alive: None,
            age: Duration::ZERO,
            models,
            resident: self.ollama.resident(),
            foreign: 0,
            version: text(self.ollama.version),
        };
        Report {
            node: NodeId::from_claim(&self.node_id, address),
            name,
            agent: Agent::Herd { version: self.version },
            address,
            at,
            interval: INTERVAL,
            draining: self.draining,
            servers: vec![server],
            readings: self
                .readings
                .into_iter()
                .map(|(column, value)| (column, value, Duration::ZERO))
                .collect(),
            other_routers: 0,
        }
    }
}

impl Ollama {
    /// What it has on disk. A name that breaks our rules is left out: nobody could ask for it.
    fn models(&self) -> Vec<Model> {
        let none = Facts::default();
        let sizes = self.models_available_sizes.as_ref();
        let model = |name: &String| {
            let facts = self.models_available_meta.as_ref().and_then(|meta| meta.get(name)).unwrap_or(&none);
            let fact = |fact: &Option<String>| text(fact.clone());
            Some(Model {
                name: ModelName::parse(name).ok()?,
                listed_as: name.clone(),
                digest: fact(&facts.digest),
                bytes: sizes.and_then(|sizes| sizes.get(name)).map_or(0, |size| bytes(*size, GB)),
                modified_at: fact(&facts.modified_at),
                format: fact(&facts.format),
                family: fact(&facts.family),
                parameter_size: fact(&facts.parameter_size),
                quantization: fact(&facts.quantization_level),
            })
        };
        self.models_available.iter().flatten().filter_map(model).collect()
    }

    /// What it has in memory. It does not say how much of that is the GPU's; where these agents run, memory is one.
    fn resident(&self) -> Vec<ResidentClaim> {
        let claim = |loads: &Loads| {
            let bytes = bytes(loads.size_gb.unwrap_or_default(), GIB);
            Some(ResidentClaim {
                name: ModelName::parse(&loads.name).ok()?,
                loaded: Loaded {
                    bytes,
                    vram_bytes: bytes,
                    context_tokens: loads
                        .context_length
                        .filter(|tokens| (1..=limits::TOKENS).contains(tokens)),
                    expires_at: String::new().into(),
                },
            })
        };
        self.models_loaded.iter().flatten().filter_map(claim).collect()
    }
}

/// The port of an address whose host means nothing to us.
fn port(host: Option<&str>, problems: &mut Vec<String>) -> u16 {
    let Some(host) = host.filter(|host| !host.is_empty()) else { return Origin::DEFAULT_PORT };
    Origin::parse(host).map_or_else(
        |error| {
            let error = cut(&error.to_string());
            problems.push(format!("ollama_host: {error}; tell it like http://10.0.0.5:11434"));
            0
        },
        |origin| origin.port,
    )
}

/// `normal` and `nominal`, `warn` and `warning`, `critical`, as levels; anything else is not known.
fn level(word: &str) -> Option<f64> {
    match word {
        "normal" | "nominal" => Some(0.0),
        "warn" | "warning" => Some(2.0),
        "critical" => Some(3.0),
        _ => None,
    }
}

/// The value, if it can be one. Of a machine that measures nonsense nothing else is worse for it.
fn sane(column: Column, value: f64) -> Option<f64> {
    let most = match column {
        Column::CpuBusy | Column::Availability => 1.0,
        Column::MemPressure | Column::Thermal => 3.0,
        _ => limits::BYTES as f64,
    };
    (0.0..=most).contains(&value).then_some(value)
}

fn bytes(size: f64, unit: f64) -> u64 {
    // Saturates, and what is no number is 0.
    ((size * unit).max(0.0) as u64).min(limits::BYTES)
}

fn text(told: Option<String>) -> String {
    let told = told.unwrap_or_default();
    if told.len() > limits::TEXT || told.chars().any(char::is_control) { String::new() } else { told }
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("the body is no heartbeat of Ollama Herd: {}; use its agent unmodified", cut(&error.to_string()))
}

#[cfg(test)]
mod tests;
