//! What goes wrong in a run, drawn beforehand from its seed. Must not know how anybody copes with it.

use crate::fleets::{ModelId, NodeNo};
use crate::random::Random;
use crate::time::Time;

/// Something that goes wrong, or is put right again.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When.
    pub at: Time,
    /// With whom.
    pub node: NodeNo,
    /// What.
    pub blow: Blow,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    /// It is switched off.
    Die,
    /// It takes connections and says nothing; its agent too, or not.
    Hang {
        /// Whether its agent is silent as well.
        agent_too: bool,
    },
    /// It is as before: with an empty memory after it died, or where it was.
    Recover,
    /// It is so many times slower.
    Slow(f64),
    /// It answers this share of requests with 500.
    Errs(f64),
    /// Its loads do not work any more, or work again.
    LoadsFail(bool),
    /// It has a model on disk no more, or again.
    Lists(ModelId, bool),
    /// The router's machine sleeps for so long; `node` means nothing.
    Sleep(Time),
}

/// A sort of fault, for asking for one by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Machines die and come back.
    Death,
    /// Servers hang; agents beat on.
    Hang,
    /// Machines are paused or cut off: server and agent hang.
    Pause,
    /// Machines become slow.
    Slow,
    /// Machines answer with 500.
    Errors,
    /// Loads fail.
    Loads,
    /// Models vanish from disks.
    Models,
    /// The router's machine sleeps.
    Clock,
}

impl Sort {
    /// Every sort.
    pub const ALL: [Self; 8] = [
        Self::Death,
        Self::Hang,
        Self::Pause,
        Self::Slow,
        Self::Errors,
        Self::Loads,
        Self::Models,
        Self::Clock,
    ];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Death => "death",
            Self::Hang => "hang",
            Self::Pause => "pause",
            Self::Slow => "slow",
            Self::Errors => "errors",
            Self::Loads => "loads",
            Self::Models => "models",
            Self::Clock => "clock",
        }
    }

    /// The sort with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.name() == name)
    }

    /// The blow, and the one that puts it right.
    fn blows(self, random: &mut Random) -> (Blow, Option<Blow>) {
        match self {
            Self::Death => (Blow::Die, Some(Blow::Recover)),
            Self::Hang => (Blow::Hang { agent_too: false }, Some(Blow::Recover)),
            Self::Pause => (Blow::Hang { agent_too: true }, Some(Blow::Recover)),
            Self::Slow => (Blow::Slow(random.between(2.0, 12.0)), Some(Blow::Slow(1.0))),
            Self::Errors => (Blow::Errs(random.between(0.2, 1.0)), Some(Blow::Errs(0.0))),
            Self::Loads => (Blow::LoadsFail(true), Some(Blow::LoadsFail(false))),
            Self::Models => {
                let model = ModelId(random.below(4));
                (Blow::Lists(model, false), Some(Blow::Lists(model, true)))
            }
            Self::Clock => (Blow::Sleep(Time::seconds(random.between(2.0, 30.0))), None),
        }
    }
}

/// What to draw faults for.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Machines.
    pub nodes: usize,
    /// From when on.
    pub from: Time,
    /// Until when; afterwards everything is put right.
    pub until: Time,
    /// How many.
    pub count: usize,
}

/// Draws faults of these sorts, each put right after a while and all by the end of the span.
pub fn draw(span: &Span, sorts: &[Sort], seed: u64) -> Vec<Fault> {
    let mut random = Random::new(seed, "faults");
    let mut faults = Vec::new();
    if sorts.is_empty() || span.nodes == 0 {
        return faults;
    }
    for _ in 0..span.count {
        let sort = sorts[random.below(sorts.len())];
        let node = NodeNo(random.below(span.nodes));
        let at = Time::seconds(random.between(span.from.s(), span.until.s()));
        let lasts = Time::seconds(random.exponential(20.0));
        let (blow, remedy) = sort.blows(&mut random);
        faults.push(Fault { at, node, blow });
        if let Some(blow) = remedy {
            faults.push(Fault { at: (at + lasts).min(span.until), node, blow });
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}
