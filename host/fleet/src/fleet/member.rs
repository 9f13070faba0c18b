//! A model server as the fleet keeps it: what snapshots see of it, and how what is told of it changes that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, BackendKind, Holding, Reach, Resident};
use crate::event::Event;
use crate::id::{BackendId, RowId};
use crate::learned::Learned;
use crate::live::{BackendLive, HoldingLive};
use crate::model::{Model, ModelName};
use crate::moment::Moment;
use crate::node::{Node, Origin};
use crate::observation::ResidentClaim;
use crate::reading::Reading;
use crate::report::ServerReport;

/// Requests that a model takes at once where neither operator nor machine says. Ollama's default is one, and so it is
/// with whoever works one off after the other. vLLM and LM Studio batch what comes, and do not tell how much: the first
/// takes up to 256 (`--max-num-seqs`) and slows down long before, the second's own default is 4.
fn unsaid(kind: BackendKind) -> u32 {
    match kind {
        BackendKind::Vllm => 8,
        BackendKind::LmStudio => 4,
        BackendKind::Ollama | BackendKind::LlamaCpp | BackendKind::Mlx | BackendKind::OpenAi => 1,
    }
}

/// One model server.
#[derive(Debug)]
pub(super) struct Member {
    /// As snapshots see it.
    pub(super) backend: Arc<Backend>,
    /// What somebody said who named it.
    pub(super) listing: Option<Slots>,
    /// Slots, as the machine says.
    pub(super) told_slots: Option<u32>,
    /// Addresses that its origin's name stands for, as whoever asked it found.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether its agent told which models it has.
    pub(super) has_told_models: bool,
    /// Whether the router itself reaches it, where an agent says that it is well.
    pub(super) doubt: Doubt,
    /// The pieces of answers at the last look.
    pub(super) pieces: u64,
    /// The live side of every model that was ever listed, as long as a request holds it: a list that misses a
    /// model once must not double its slots.
    pub(super) lives: BTreeMap<ModelName, Arc<HoldingLive>>,
    /// Where what is learned of its models is found.
    pub(super) learned: Arc<Learned>,
}

/// How many slots somebody gave who named a server, if they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(pub(super) Option<u32>);

/// Whether a router reaches a server of which an agent says that it is well. An agent asks on its own machine, where
/// no firewall stands in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It answered the router.
    None,
    /// Nobody knows yet; until then its agent's word counts.
    Open,
    /// It did not answer the router; until it does, its agent's word counts for nothing.
    Justified,
}

impl Member {
    /// A server that nothing is known of but where it is.
    pub(super) fn new(id: BackendId, row: RowId, node: Arc<Node>, origin: Origin) -> Self {
        let backend = Backend {
            id,
            row,
            node,
            origin: Arc::new(origin),
            bearer: None,
            kind: BackendKind::Ollama,
            reach: Reach::Unknown,
            version: "".into(),
            seen: None,
            listed: None,
            holdings: BTreeMap::new(),
            readings: BTreeMap::new(),
            foreign: 0,
            live: Arc::new(BackendLive::default()),
        };
        Self {
            backend: Arc::new(backend),
            listing: None,
            told_slots: None,
            addresses: Vec::new(),
            has_told_models: false,
            doubt: Doubt::Open,
            pieces: 0,
            lives: BTreeMap::new(),
            learned: Arc::default(),
        }
    }

    /// As it is changed. Snapshots share the old backend; this copies it only while one of them is alive.
    pub(super) fn backend(&mut self) -> &mut Backend {
        Arc::make_mut(&mut self.backend)
    }

    /// Slots of each of its models: the operator's word, else the machine's.
    pub(super) fn slots(&self) -> u32 {
        let listed = self.listing.and_then(|Slots(slots)| slots);
        listed.or(self.told_slots).unwrap_or_else(|| unsaid(self.backend.kind)).max(1)
    }

    /// Brings the number of slots to where it should be.
    pub(super) fn resize(&self) {
        let slots = self.slots();
        self.lives.values().for_each(|live| live.slots.resize(slots));
    }

    /// Whether pieces of answers came since this was asked last.
    pub(super) fn flowed(&mut self) -> bool {
        let pieces = self.backend.live.pieces();
        std::mem::replace(&mut self.pieces, pieces) != pieces
    }

    /// It answers, itself or its agent.
    pub(super) fn reached(&mut self, at: Moment, events: &mut Vec<Event>) {
        let backend = self.backend();
        backend.seen = Some(at);
        if backend.reach != Reach::Up {
            if matches!(backend.reach, Reach::Down(_)) {
                backend.live.breaker.is_back(at);
            }
            backend.reach = Reach::Up;
            let (node, version) = (Arc::clone(&backend.node.name), Arc::clone(&backend.version));
            events.push(Event::Up { node, version });
        }
    }

    /// It does not answer.
    pub(super) fn failed(&mut self, why: Arc<str>, events: &mut Vec<Event>) {
        let backend = self.backend();
        if !matches!(backend.reach, Reach::Down(_)) {
            events.push(Event::Down { node: Arc::clone(&backend.node.name), why: Arc::clone(&why) });
        }
        backend.reach = Reach::Down(why);
    }

    /// Takes in what its agent says of it. `keeps` is how long that may be believed.
    pub(super) fn take(
        &mut self,
        server: ServerReport,
        at: Moment,
        keeps: Duration,
        events: &mut Vec<Event>,
    ) {
        let taken = Moment(at.0.saturating_sub(u64::try_from(server.age.as_millis()).unwrap_or(u64::MAX)));
        let slots = self.slots();
        let backend = self.backend();
        backend.kind = server.kind;
        if *backend.version != *server.version {
            backend.version = server.version.into();
        }
        // What the router found out itself a moment ago outranks what its agent sees from beside the server.
        if backend.live.is_refused() && self.doubt == Doubt::None {
            self.doubt = Doubt::Open;
        }
        match server.down {
            Some(why) => self.failed(why.into(), events),
            None if self.doubt == Doubt::Justified => {}
            None => self.reached(taken, events),
        }
        self.told_slots = server.slots;
        if self.slots() != slots {
            self.resize();
        }
        if let Some(models) = server.models {
            self.has_told_models = true;
            self.take_models(models, events);
        }
        if self.has_told_models && self.backend.reach == Reach::Up {
            // A list that it does not send again is the one that it sent last.
            self.backend().listed = Some(taken);
        }
        self.take_resident(&server.resident, (taken, keeps), events);
        self.take_foreign(server.foreign);
    }

    /// Takes in a list of every model that it has on disk.
    pub(super) fn take_models(&mut self, models: Vec<Model>, events: &mut Vec<Event>) {
        let slots = self.slots();
        let lives = &mut self.lives;
        let backend = Arc::make_mut(&mut self.backend);
        let mut before = std::mem::take(&mut backend.holdings);
        let mut added = Vec::new();
        for model in models {
            let name = model.name.clone();
            // Two spellings of one name are one model; the first one counts.
            if backend.holdings.contains_key(&name) {
                continue;
            }
            let holding = match before.remove(&name) {
                Some(holding) if *holding.model == model => holding,
                // The live side outlives a new version of the model: its requests still run.
                Some(holding) => {
                    self.learned.weigh(backend.id, &name, &model.digest);
                    Arc::new(Holding { model: Arc::new(model), ..(*holding).clone() })
                }
                None => {
                    added.push(name.clone());
                    let (learned, id) = (&self.learned, backend.id);
                    learned.weigh(id, &name, &model.digest);
                    let new = || HoldingLive::with(slots, learned.speed(id, &name), learned.model(&name));
                    let live = lives.entry(name.clone()).or_insert_with(|| Arc::new(new()));
                    Arc::new(Holding { model: Arc::new(model), polled: None, live: Arc::clone(live) })
                }
            };
            backend.holdings.insert(name, holding);
        }
        let removed: Vec<_> = before.into_keys().collect();
        lives.retain(|name, live| backend.holdings.contains_key(name) || Arc::strong_count(live) > 1);
        if !added.is_empty() || !removed.is_empty() {
            events.push(Event::Models { node: Arc::clone(&backend.node.name), added, removed });
        }
    }

    /// Takes in a list of every model that it has in memory, as it was at `taken`.
    pub(super) fn take_resident(
        &mut self,
        resident: &[ResidentClaim],
        (taken, keeps): (Moment, Duration),
        events: &mut Vec<Event>,
    ) {
        let listed: BTreeMap<&ModelName, &ResidentClaim> =
            resident.iter().map(|claim| (&claim.name, claim)).collect();
        let backend = Arc::make_mut(&mut self.backend);
        for (name, holding) in &mut backend.holdings {
            let now = match listed.get(name) {
                Some(claim) => Resident::Yes(claim.loaded.clone()),
                None => Resident::No,
            };
            let was_in = holding.polled.as_ref().is_some_and(|polled| *polled.last() != Resident::No);
            let node = || Arc::clone(&backend.node.name);
            match (was_in, &now) {
                (false, Resident::Yes(_)) => events.push(Event::Loaded { node: node(), model: name.clone() }),
                (true, Resident::No) => events.push(Event::Unloaded { node: node(), model: name.clone() }),
                _ => {}
            }
            Arc::make_mut(holding).polled = Some(Reading::new(now, taken, keeps));
        }
    }

    /// Takes in how many requests of others run there. Nobody tells which models they use, so each model in memory is
    /// taken for it; where nothing is in memory as far as is known, each model.
    pub(super) fn take_foreign(&mut self, foreign: u32) {
        if self.backend.foreign != foreign {
            self.backend().foreign = foreign;
        }
        let is_in = |holding: &Arc<Holding>| {
            holding.polled.as_ref().is_some_and(|polled| *polled.last() != Resident::No)
        };
        let holdings = &self.backend.holdings;
        let any = holdings.values().any(is_in);
        for holding in holdings.values() {
            holding.live.slots.set_foreign(if is_in(holding) || !any { foreign } else { 0 });
        }
    }
}
