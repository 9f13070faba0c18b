//! The machines and models that are simulated. Figures of machines are those of ordinary ones, rounded; only their
//! proportions matter.

use crate::random::Random;

/// A model: its place in [`MODELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(pub usize);

/// A machine: its place in the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNo(pub usize);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ModelSpec {
    /// As clients write it.
    pub name: &'static str,
    /// Bytes on disk, which is what loading reads.
    pub bytes: f64,
}

/// Every model, small to large.
pub const MODELS: [ModelSpec; 4] = [
    ModelSpec { name: "small:3b", bytes: 2.0e9 },
    ModelSpec { name: "medium:8b", bytes: 5.2e9 },
    ModelSpec { name: "large:14b", bytes: 9.3e9 },
    ModelSpec { name: "huge:32b", bytes: 20.0e9 },
];
/// In memory a model takes so much more than on disk: caches and buffers.
pub const IN_MEMORY: f64 = 1.1;

impl ModelId {
    /// Every model.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MODELS.len()).map(Self)
    }

    /// What it is.
    pub fn spec(self) -> ModelSpec {
        MODELS[self.0]
    }

    /// Bytes it takes in memory.
    pub fn in_memory(self) -> f64 {
        self.spec().bytes * IN_MEMORY
    }
}

/// What a machine can do. Rates are tokens per second of one stream alone, by model.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// What it is called.
    pub name: String,
    /// Requests that each model takes at once.
    pub slots: usize,
    /// Bytes that models can take.
    pub memory: f64,
    /// Answer tokens per second.
    pub decode: [f64; MODELS.len()],
    /// Prompt tokens per second, shared by all prompts that are read at once.
    pub prefill: [f64; MODELS.len()],
    /// Seconds of a load from disk.
    pub load_disk: [f64; MODELS.len()],
    /// Seconds of a load from the page cache.
    pub load_cache: [f64; MODELS.len()],
    /// Bytes of models that the page cache keeps.
    pub cache: f64,
    /// Slow-down of a stream by each further one of its model.
    pub same_drag: f64,
    /// Slow-down of a stream by each one of another model.
    pub other_drag: f64,
    /// Slow-down of a stream by each prompt that is being read.
    pub prefill_drag: f64,
    /// Whether a prompt's beginning is kept for the next request.
    pub has_prompt_cache: bool,
    /// Memory bandwidth as its agent would tell, in bytes per second.
    pub bandwidth: f64,
}

impl NodeSpec {
    /// Whether it can hold a model at all.
    pub fn fits(&self, model: ModelId) -> bool {
        model.in_memory() <= self.memory
    }
}

/// A kind of machine.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    slots: usize,
    memory_gb: f64,
    /// Answer tokens per second of the 8b model.
    decode: f64,
    /// Prompt tokens per second of the 8b model.
    prefill: f64,
    disk_gb_s: f64,
    cache_gb_s: f64,
    cache_gb: f64,
}

const RTX4090: Kind = Kind {
    name: "rtx4090",
    slots: 4,
    memory_gb: 23.5,
    decode: 130.0,
    prefill: 5_000.0,
    disk_gb_s: 2.5,
    cache_gb_s: 8.0,
    cache_gb: 32.0,
};
const RTX6000: Kind = Kind {
    name: "rtx6000",
    slots: 4,
    memory_gb: 47.0,
    decode: 110.0,
    prefill: 4_500.0,
    disk_gb_s: 2.5,
    cache_gb_s: 8.0,
    cache_gb: 32.0,
};
const RTX3090: Kind = Kind {
    name: "rtx3090",
    slots: 4,
    memory_gb: 23.5,
    decode: 95.0,
    prefill: 2_800.0,
    disk_gb_s: 1.5,
    cache_gb_s: 6.0,
    cache_gb: 24.0,
};
const ULTRA: Kind = Kind {
    name: "m2-ultra",
    slots: 4,
    memory_gb: 96.0,
    decode: 75.0,
    prefill: 1_000.0,
    disk_gb_s: 4.0,
    cache_gb_s: 10.0,
    cache_gb: 24.0,
};
const MAX: Kind = Kind {
    name: "m3-max",
    slots: 2,
    memory_gb: 36.0,
    decode: 52.0,
    prefill: 680.0,
    disk_gb_s: 4.0,
    cache_gb_s: 10.0,
    cache_gb: 8.0,
};
const MINI: Kind = Kind {
    name: "m4-mini",
    slots: 2,
    memory_gb: 16.0,
    decode: 20.0,
    prefill: 230.0,
    disk_gb_s: 2.5,
    cache_gb_s: 8.0,
    cache_gb: 4.0,
};
const M2: Kind = Kind {
    name: "m2",
    slots: 1,
    memory_gb: 11.0,
    decode: 15.0,
    prefill: 150.0,
    disk_gb_s: 2.0,
    cache_gb_s: 6.0,
    cache_gb: 3.0,
};
const LAPTOP: Kind = Kind {
    name: "laptop",
    slots: 1,
    memory_gb: 11.0,
    decode: 9.0,
    prefill: 60.0,
    disk_gb_s: 1.5,
    cache_gb_s: 5.0,
    cache_gb: 4.0,
};

/// A fleet by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetKind {
    /// Four scripted servers of 50, 33, 15 and 7.5 tokens a second, whatever the model; 8 s to load.
    Bench4,
    /// Four unequal machines.
    Unequal4,
    /// Two large machines and six small ones.
    Big2Small6,
    /// One graphics card and five laptops.
    Gpu1Laptop5,
    /// Eight equal cards.
    Same8,
    /// Thirty machines of all kinds.
    Mixed30,
}

impl FleetKind {
    /// Every fleet, in the order of tables.
    pub const ALL: [Self; 6] =
        [Self::Bench4, Self::Unequal4, Self::Big2Small6, Self::Gpu1Laptop5, Self::Same8, Self::Mixed30];

    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bench4 => "bench4",
            Self::Unequal4 => "unequal4",
            Self::Big2Small6 => "big2small6",
            Self::Gpu1Laptop5 => "gpu1laptop5",
            Self::Same8 => "same8",
            Self::Mixed30 => "mixed30",
        }
    }

    /// Its machines. What slows streams is drawn for each, since no router knows it.
    pub fn machines(self, seed: u64) -> Vec<NodeSpec> {
        let mut random = Random::new(seed, "machines");
        let counts: &[(Kind, usize)] = match self {
            Self::Bench4 => return bench4(),
            Self::Unequal4 => &[(RTX4090, 1), (ULTRA, 1), (MAX, 1), (M2, 1)],
            Self::Big2Small6 => &[(ULTRA, 2), (M2, 6)],
            Self::Gpu1Laptop5 => &[(RTX6000, 1), (LAPTOP, 5)],
            Self::Same8 => &[(RTX3090, 8)],
            Self::Mixed30 => {
                &[(RTX4090, 3), (RTX3090, 4), (ULTRA, 2), (MAX, 5), (MINI, 6), (M2, 6), (LAPTOP, 4)]
            }
        };
        let mut machines = Vec::new();
        for (kind, count) in counts {
            for number in 0..*count {
                machines.push(kind.machine(number, &mut random));
            }
        }
        machines
    }
}

impl Kind {
    fn machine(self, number: usize, random: &mut Random) -> NodeSpec {
        let per = |value: f64| MODELS.map(|model| value * MODELS[1].bytes / model.bytes);
        let load = |gb_s: f64| MODELS.map(|model| 0.6 + model.bytes / (gb_s * 1e9));
        NodeSpec {
            name: format!("{}-{number}", self.name),
            slots: self.slots,
            memory: self.memory_gb * 1e9,
            decode: per(self.decode),
            prefill: per(self.prefill),
            load_disk: load(self.disk_gb_s),
            load_cache: load(self.cache_gb_s),
            cache: self.cache_gb * 1e9,
            same_drag: random.between(0.08, 0.28),
            other_drag: random.between(0.35, 0.70),
            prefill_drag: random.between(0.8, 1.2),
            has_prompt_cache: true,
            // A stream reads the whole model for each token, at seven tenths of what the memory gives.
            bandwidth: self.decode * MODELS[1].bytes / 0.7,
        }
    }
}

/// The machines of the bench against real processes: scripted servers whose pace does not depend on the model, that
/// read any prompt in a tenth of a second and share nothing between streams.
fn bench4() -> Vec<NodeSpec> {
    let machines = [(50.0, 4), (33.0, 4), (15.0, 2), (7.5, 1)];
    let machine = |(number, (decode, slots)): (usize, (f64, usize))| NodeSpec {
        name: format!("fake-{number}"),
        slots,
        // Two of the three models that are asked for.
        memory: 17.0e9,
        decode: [decode; MODELS.len()],
        prefill: [20_000.0; MODELS.len()],
        load_disk: [8.0; MODELS.len()],
        load_cache: [8.0; MODELS.len()],
        cache: 0.0,
        same_drag: 0.0,
        other_drag: 0.0,
        prefill_drag: 0.0,
        has_prompt_cache: false,
        bandwidth: decode * MODELS[1].bytes / 0.7,
    };
    machines.into_iter().enumerate().map(machine).collect()
}
