//! The heartbeat, version 1: what an agent sends to `POST /fleet/v1/beat` and what it is answered.
//!
//! Fields are added, never changed; a reader ignores what it does not know. Ages instead of times, since clocks
//! differ. Nothing here says where the agent is: that is the address of its connection.
//!
//! `facts` is how an agent puts what it found into a beat, `report` how a router takes it for what it is worth, with
//! `check` for what is wrong with it; `limits` holds for both.

mod check;
mod facts;
pub mod limits;
mod report;

pub(crate) use check::{Check, cut};
pub use facts::{machine_name, models_hash};
pub use report::Seen;

use serde::{Deserialize, Serialize};

use crate::machine::MachineFacts;

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// What the machine calls itself.
    pub name: String,
    /// The agent's version.
    pub version: String,
    /// Drawn when the agent started: 16 hexadecimal digits.
    pub boot: String,
    /// What the router gave this start of the agent; empty before it gave something.
    #[serde(default)]
    pub session: String,
    /// Grows with every beat of a session; from 1.
    pub seq: u64,
    /// Milliseconds until the next beat.
    pub interval_ms: u64,
    /// The machine takes no new work and is about to leave.
    #[serde(default)]
    pub draining: bool,
    /// Other routers that it reports to.
    #[serde(default)]
    pub other_routers: u32,
    /// Its model servers.
    #[serde(default)]
    pub servers: Vec<ServerBeat>,
    /// Numbers about the machine, by the names of the columns that plugins see.
    #[serde(default)]
    pub readings: Vec<ReadingBeat>,
    /// What people want to know of the machine. Absent = as said before: it comes along now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<MachineFacts>,
}

/// One model server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerBeat {
    /// `ollama`, `llama.cpp`, `vllm`, `lm-studio`, `mlx` or `openai`.
    pub kind: String,
    /// Where it listens on its machine; what it is known by.
    pub port: u16,
    /// How a router reaches it, when it listens for its own machine only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardBeat>,
    /// Why it does not answer its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    /// Its software's version, empty when unknown.
    #[serde(default)]
    pub version: String,
    /// Requests that each of its models takes at once, when the machine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Models that it keeps in memory at most, when the machine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_loaded: Option<u32>,
    /// Seconds that it keeps an unused model, when the machine tells; negative = for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_s: Option<i64>,
    /// How old what it says of models is, in milliseconds.
    #[serde(default)]
    pub age_ms: u64,
    /// Names the list of models, see [`models_hash`]. The list itself comes along when it changed or the router asks for
    /// it.
    pub models_hash: String,
    /// Every model it has on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelBeat>>,
    /// Every model it has in memory.
    #[serde(default)]
    pub resident: Vec<ResidentBeat>,
    /// Requests that run there and are not this router's, as far as the agent sees.
    #[serde(default)]
    pub foreign: u32,
}

/// The agent passes on what comes to its port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardBeat {
    /// Where the agent listens.
    pub port: u16,
    /// What each request must carry: `Authorization: Bearer …`.
    pub bearer: String,
}

/// A model on disk, as `/api/tags` tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelBeat {
    /// As the server spells it.
    pub name: String,
    /// Of its content, empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was changed, as told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub modified_at: String,
    /// Like `gguf`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// Like `llama`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub family: String,
    /// Like `8.0B`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parameter_size: String,
    /// Like `Q4_K_M`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quantization: String,
}

/// A model in memory, as `/api/ps` tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResidentBeat {
    /// As the server spells it.
    pub name: String,
    /// Bytes in memory, wherever.
    pub bytes: u64,
    /// Bytes of them on the GPU.
    pub vram_bytes: u64,
    /// The context it was loaded with, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u32>,
    /// When it will be let go of, as told, by the machine's own clock.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expires_at: String,
}

/// A number about the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadingBeat {
    /// The name of a column, like `mem.free-bytes`.
    pub name: String,
    /// In the unit of its name.
    pub value: f64,
    /// How old it is, in milliseconds.
    #[serde(default)]
    pub age_ms: u64,
}

/// What a beat is answered. The status is 200 when it was taken in; 401 when it carried no session or another one than
/// the router gave: then the next beat carries that of the reply. With any other status it was not taken in, `problem`
/// says why, and the next beat goes out after `interval_ms`, unchanged but for what the problem is about:
///
/// | status | |
/// | --- | --- |
/// | 400 | it breaks a rule |
/// | 403 | it is not signed by the key that it shows, or comes from where no machine of a fleet can be |
/// | 409 | another agent has this key and beats on; or the beat is not newer than the last |
/// | 421 | it is meant for another router |
/// | 429 | too many came from this address |
/// | 503 | the router is busy, or full of agents |
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// What the next beats have to carry.
    pub session: String,
    /// Milliseconds between beats from now on.
    pub interval_ms: u64,
    /// What the router calls the machine.
    pub name: String,
    /// Servers, by their ports, whose list of models the next beat should have.
    pub want_models: Vec<u16>,
    /// What the agent should do, in order. What it does not know it leaves alone.
    pub commands: Vec<Command>,
    /// Why it was not taken in, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a router may have an agent do. A closed list: nothing that runs a program or writes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Take no new work.
    Drain,
    /// Take work again.
    Undrain,
    /// What a later version may say.
    #[serde(other)]
    Unknown,
}
