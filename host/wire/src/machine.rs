//! What people want to know of a machine and no plugin is asked for: its processor, memory, heat, power, cards. An
//! agent tells it in some of its beats, and the admin API shows it as it was told. Nothing is decided by it: what
//! decisions need are readings, which are columns.
//!
//! A section that is absent is not known. Each says how old it is. Whoever adds one adds it to [`MachineFacts`], to
//! `sections`, `age`, `absorb` and `check` there, which know all of them.

mod check;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sensors that are told of one machine; those that say most come first.
pub const SENSORS: usize = 12;
/// Cards that are told of one machine; a server takes up to 16.
pub const CARDS: usize = 16;

/// Everything; a whole picture each time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineFacts {
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostFacts>,
    /// Its memory, without that of cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryFacts>,
    /// How much of the time work stands still for want of something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<PressureFacts>,
    /// How hot it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heat: Option<HeatFacts>,
    /// What it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerFacts>,
    /// Where models are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskFacts>,
    /// How fast its memory is, without that of cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<BandwidthFacts>,
    /// Its graphics cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cards: Option<CardsFacts>,
}

/// What a machine is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Milliseconds since it was looked at.
    pub age_ms: u64,
    /// Like `AMD Ryzen 9 7950X 16-Core Processor`; empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cpu: String,
    /// Processors that programs may use at once, threads of a core counted one by one; 0 when unknown.
    pub cpus: u32,
    /// System and version, like `Linux 6.8.0-51-generic`; empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub system: String,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryFacts {
    /// Milliseconds since it was looked at.
    pub age_ms: u64,
    /// All that programs may use: what is there, or what a container is given of it.
    pub total: u64,
    /// Free, or held by what the system can give up.
    pub available: u64,
    /// What is there, where a container is given less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<u64>,
    /// Room for what does not fit; 0 = there is none.
    pub swap_total: u64,
    /// Of it, used.
    pub swap_used: u64,
}

/// Shares of the last ten seconds, 0 to 1, as Linux tells (PSI).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PressureFacts {
    /// Milliseconds since it was looked at.
    pub age_ms: u64,
    /// Some program waited for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_some: Option<f64>,
    /// All programs waited for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_full: Option<f64>,
    /// Some program waited for a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_some: Option<f64>,
    /// Some program waited for a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_some: Option<f64>,
}

/// How hot a machine is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeatFacts {
    /// Milliseconds since it was looked at.
    pub age_ms: u64,
    /// Those that say most first.
    pub sensors: Vec<SensorFacts>,
    /// Whether the processor slowed itself down in the last minute, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<bool>,
}

/// One sensor, in degrees Celsius.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorFacts {
    /// As the system calls it, like `x86_pkg_temp`.
    pub name: String,
    /// Now.
    pub celsius: f64,
    /// Where the machine begins to slow down, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slows_at: Option<f64>,
    /// Where it turns itself off, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<f64>,
}

/// What a machine runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PowerFacts {
    /// Milliseconds since it was looked at.
    pub age_ms: u64,
    /// Whether it lives on its battery now.
    pub on_battery: bool,
    /// How full its batteries are together, 0 to 1; `None` = it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<f64>,
}

/// The disk on which models are kept, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskFacts {
    /// Milliseconds since it was looked at.
    pub age_ms: u64,
    /// The folder that was looked at.
    pub path: String,
    /// All of it.
    pub total: u64,
    /// What an ordinary program may still write.
    pub free: u64,
}

/// How fast memory is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BandwidthFacts {
    /// Milliseconds since it was measured; it may be from an earlier start of the agent.
    pub age_ms: u64,
    /// Bytes per second, all processors together.
    pub bytes_per_s: f64,
}

/// Graphics cards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardsFacts {
    /// Milliseconds since they were looked at; where several drivers were asked, since the first of them was.
    pub age_ms: u64,
    /// Each.
    pub cards: Vec<CardFacts>,
}

/// A graphics card, or what a processor has of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardFacts {
    /// Like `NVIDIA GeForce RTX 4090`.
    pub name: String,
    /// Whether it uses the machine's memory and has none of its own.
    pub shares_memory: bool,
    /// Bytes that models can use on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_total: Option<u64>,
    /// Of them, free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_free: Option<u64>,
    /// Bytes per second at which it reads its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<f64>,
    /// Share of the time in which it computes, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
    /// Its temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius: Option<f64>,
    /// Power that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watts: Option<f64>,
    /// Why it slows itself down now, in words; empty when it does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slowed_by: Vec<String>,
}

impl MachineFacts {
    /// Which sections are there: when that changes, people should see it soon.
    pub fn sections(&self) -> [bool; 8] {
        [
            self.host.is_some(),
            self.memory.is_some(),
            self.pressure.is_some(),
            self.heat.is_some(),
            self.power.is_some(),
            self.disk.is_some(),
            self.bandwidth.is_some(),
            self.cards.is_some(),
        ]
    }

    /// Whether nothing is known at all.
    pub fn is_empty(&self) -> bool {
        !self.sections().contains(&true)
    }

    /// The same, so much later.
    #[must_use]
    pub fn aged(mut self, by: Duration) -> Self {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ages().for_each(|age| *age = age.saturating_add(by));
        self
    }

    /// Takes in what another source told. Cards of several drivers stand side by side; of any other section the newer
    /// word counts, which is the other's.
    pub fn absorb(&mut self, other: Self) {
        let Self { host, memory, pressure, heat, power, disk, bandwidth, cards } = other;
        take(&mut self.host, host);
        take(&mut self.memory, memory);
        take(&mut self.pressure, pressure);
        take(&mut self.heat, heat);
        take(&mut self.power, power);
        take(&mut self.disk, disk);
        take(&mut self.bandwidth, bandwidth);
        match (&mut self.cards, cards) {
            (Some(known), Some(further)) => {
                known.age_ms = known.age_ms.max(further.age_ms);
                known.cards.extend(further.cards);
                known.cards.truncate(CARDS);
            }
            (known, further) => take(known, further),
        }
    }

    fn ages(&mut self) -> impl Iterator<Item = &mut u64> {
        let ages = [
            self.host.as_mut().map(|it| &mut it.age_ms),
            self.memory.as_mut().map(|it| &mut it.age_ms),
            self.pressure.as_mut().map(|it| &mut it.age_ms),
            self.heat.as_mut().map(|it| &mut it.age_ms),
            self.power.as_mut().map(|it| &mut it.age_ms),
            self.disk.as_mut().map(|it| &mut it.age_ms),
            self.bandwidth.as_mut().map(|it| &mut it.age_ms),
            self.cards.as_mut().map(|it| &mut it.age_ms),
        ];
        ages.into_iter().flatten()
    }
}

fn take<T>(known: &mut Option<T>, told: Option<T>) {
    if told.is_some() {
        *known = told;
    }
}
