//! What defines one simulated machine: its name, its models and how fast they are. No behaviour here.

use std::time::Duration;

use crate::kind::Kind;

/// Everything that defines one simulated machine.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// What the machine is called in log lines; clients never see it.
    pub name: String,
    /// Which program it plays; default Ollama.
    pub kind: Kind,
    /// What `/api/version` says; default `0.12.6`.
    pub version: String,
    /// The models on its disk, in the order `/api/tags` lists them.
    pub models: Vec<ModelSpec>,
    /// Requests one loaded model answers at once (`OLLAMA_NUM_PARALLEL`); default 1.
    pub slots: u32,
    /// Models in memory at once (`OLLAMA_MAX_LOADED_MODELS`); default 3.
    pub max_loaded: u32,
    /// Seeds the answer text: same seed, model and prompt, same words. Default 0.
    pub seed: u64,
}

/// One model on a simulated machine.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// As `ollama list` shows it; without a tag it means `:latest`.
    pub name: String,
    /// Size on disk and in memory, in bytes; default 2 GB.
    pub bytes: u64,
    /// `details.family`; default `llama`.
    pub family: String,
    /// `details.parameter_size`; default `3.2B`.
    pub parameter_size: String,
    /// `details.quantization_level`; default `Q4_K_M`.
    pub quantization: String,
    /// Context length in tokens when a request does not set `options.num_ctx`; default 4096.
    pub context: u32,
    /// What `/api/show` lists; default `completion` and `tools`.
    pub capabilities: Vec<String>,
    /// In memory from the start, which is not counted as a load; default false. Five idle minutes unload
    /// it like any other model.
    pub resident: bool,
    /// How long a cold load takes; default 2 s.
    pub load: Duration,
    /// From slot to first token, whatever the prompt; default 100 ms.
    pub first_token: Duration,
    /// Tokens of a prompt that are read per second, on top of [`ModelSpec::first_token`]; default 0, which is no time at
    /// all.
    pub prefill: f64,
    /// Between two tokens; default 20 ms.
    pub token: Duration,
    /// Answer length in tokens when the client does not bound it by `options.num_predict`; default 40.
    pub tokens: u32,
    /// How many times shorter than they were its last frame tells all durations; default 1, which is the truth.
    pub boast: f64,
}

impl NodeSpec {
    /// A machine without models.
    pub fn new(name: impl Into<String>) -> NodeSpec {
        NodeSpec {
            name: name.into(),
            kind: Kind::default(),
            version: "0.12.6".to_owned(),
            models: Vec::new(),
            slots: 1,
            max_loaded: 3,
            seed: 0,
        }
    }

    /// Sets [`NodeSpec::kind`].
    pub fn kind(mut self, kind: Kind) -> NodeSpec {
        self.kind = kind;
        self
    }

    /// Adds one model.
    pub fn model(mut self, model: ModelSpec) -> NodeSpec {
        self.models.push(model);
        self
    }

    /// Sets [`NodeSpec::version`].
    pub fn version(mut self, version: impl Into<String>) -> NodeSpec {
        self.version = version.into();
        self
    }

    /// Sets [`NodeSpec::slots`]; 0 is read as 1.
    pub fn slots(mut self, slots: u32) -> NodeSpec {
        self.slots = slots.max(1);
        self
    }

    /// Sets [`NodeSpec::max_loaded`]; 0 is read as 1.
    pub fn max_loaded(mut self, models: u32) -> NodeSpec {
        self.max_loaded = models.max(1);
        self
    }

    /// Sets [`NodeSpec::seed`].
    pub fn seed(mut self, seed: u64) -> NodeSpec {
        self.seed = seed;
        self
    }
}

impl ModelSpec {
    /// A cold model with the defaults of each field.
    pub fn new(name: impl Into<String>) -> ModelSpec {
        ModelSpec {
            name: name.into(),
            bytes: 2_000_000_000,
            family: "llama".to_owned(),
            parameter_size: "3.2B".to_owned(),
            quantization: "Q4_K_M".to_owned(),
            context: 4096,
            capabilities: vec!["completion".to_owned(), "tools".to_owned()],
            resident: false,
            load: Duration::from_secs(2),
            first_token: Duration::from_millis(100),
            prefill: 0.0,
            token: Duration::from_millis(20),
            tokens: 40,
            boast: 1.0,
        }
    }

    /// Sets [`ModelSpec::bytes`].
    pub fn bytes(mut self, bytes: u64) -> ModelSpec {
        self.bytes = bytes;
        self
    }

    /// Sets [`ModelSpec::family`].
    pub fn family(mut self, family: impl Into<String>) -> ModelSpec {
        self.family = family.into();
        self
    }

    /// Sets [`ModelSpec::parameter_size`].
    pub fn parameter_size(mut self, size: impl Into<String>) -> ModelSpec {
        self.parameter_size = size.into();
        self
    }

    /// Sets [`ModelSpec::quantization`].
    pub fn quantization(mut self, level: impl Into<String>) -> ModelSpec {
        self.quantization = level.into();
        self
    }

    /// Sets [`ModelSpec::context`], in tokens.
    pub fn context(mut self, tokens: u32) -> ModelSpec {
        self.context = tokens;
        self
    }

    /// Sets [`ModelSpec::capabilities`].
    pub fn capabilities<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> ModelSpec {
        self.capabilities = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`ModelSpec::resident`].
    pub fn resident(mut self, resident: bool) -> ModelSpec {
        self.resident = resident;
        self
    }

    /// Sets [`ModelSpec::load`].
    pub fn load(mut self, load: Duration) -> ModelSpec {
        self.load = load;
        self
    }

    /// Sets [`ModelSpec::first_token`].
    pub fn first_token(mut self, first_token: Duration) -> ModelSpec {
        self.first_token = first_token;
        self
    }

    /// Sets [`ModelSpec::prefill`], in tokens per second.
    pub fn prefill(mut self, per_s: f64) -> ModelSpec {
        self.prefill = per_s;
        self
    }

    /// Sets [`ModelSpec::token`].
    pub fn token(mut self, token: Duration) -> ModelSpec {
        self.token = token;
        self
    }

    /// Sets [`ModelSpec::boast`].
    pub fn boast(mut self, times: f64) -> ModelSpec {
        self.boast = times;
        self
    }

    /// Sets [`ModelSpec::tokens`].
    pub fn tokens(mut self, tokens: u32) -> ModelSpec {
        self.tokens = tokens;
        self
    }
}
