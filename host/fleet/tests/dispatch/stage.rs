//! A small world: a fleet that is told of, a policy in plain Rust, a clock that a test moves, and dispatch between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::dispatch::{
    Action, Arrival, Ask, Dispatch, Grant, LoadEnd, LoadId, Place, Refusal, Rules, RunEnd, RunId,
    Unfulfilled, Wish, World,
};
use herdwick_fleet::{
    Answer, BackendId, Claim, Column, Fleet, Generation, Matrix, Model, ModelName, Moment, Observation,
    Origin, PluginId, Profile, RequestId, ResidentClaim, RowId, Sheet, SignalPolicy, Snapshot, Words,
};

/// What the seven signals come to, but for what a machine loses to others: load, wait, queue and service.
pub(crate) struct Plain;

const COLUMNS: [Column; 16] = [
    Column::ModelState,
    Column::ModelLoad,
    Column::LoadDrain,
    Column::CopyElsewhere,
    Column::SlotsFree,
    Column::SlotsTotal,
    Column::FirstFree,
    Column::QueueWaiting,
    Column::PromptTokens,
    Column::ExpectedTokens,
    Column::CachedTokens,
    Column::Prefill,
    Column::Decode,
    Column::SameCount,
    Column::OtherCount,
    Column::EvictRegret,
];

impl SignalPolicy for Plain {
    fn columns(&self) -> Arc<[Column]> {
        COLUMNS.into()
    }

    fn score(&self, matrix: &Matrix, _: &Words<'_>) -> Sheet {
        let costs = matrix.iter().map(|(_, row)| {
            let value = |column| {
                let at = COLUMNS.iter().position(|known| *known == column).expect("one of ours");
                if row[at].is_nan() { 0.0 } else { row[at] }
            };
            let load = match value(Column::ModelState) {
                state if state >= 4.0 => 0.0,
                state if state >= 3.0 => value(Column::ModelLoad),
                _ => {
                    let once = value(Column::ModelLoad) + value(Column::LoadDrain);
                    once * (1.0 + value(Column::CopyElsewhere)) + value(Column::EvictRegret)
                }
            };
            let wait = if value(Column::SlotsFree) >= 1.0 { 0.0 } else { value(Column::FirstFree) };
            let slow_down = 1.0 + 0.15 * value(Column::SameCount) + 0.5 * value(Column::OtherCount);
            let prompt = (value(Column::PromptTokens) - value(Column::CachedTokens)) / value(Column::Prefill);
            let answer = 0.5 * value(Column::ExpectedTokens) * slow_down / value(Column::Decode);
            load + wait + value(Column::QueueWaiting) / value(Column::SlotsTotal) + (prompt + answer) * 1e3
        });
        let answer = Answer { plugin: PluginId::new("plain"), weight: 1.0, costs: costs.collect() };
        Sheet { generation: Generation(1), answers: vec![answer], ..Sheet::default() }
    }

    fn explain(&self, _: &Matrix, _: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        Vec::new()
    }
}

/// How long what is told of memory and speed may be believed.
const KEEPS: Duration = Duration::from_secs(3_600);

/// A machine of the stage.
pub(crate) struct Machine {
    pub(crate) slots: u32,
    /// Models on its disk, with their sizes in GB.
    pub(crate) holds: Vec<(&'static str, u64)>,
    /// Those of them in memory, and their contexts.
    pub(crate) resident: Vec<(&'static str, u32)>,
    /// Memory in GB, if its agent tells.
    pub(crate) memory: Option<u64>,
    /// Answer tokens per second of whatever it has, if that is told; 50 are assumed of a model of 3 GB.
    pub(crate) speed: Option<f64>,
}

impl Default for Machine {
    fn default() -> Self {
        Self { slots: 1, holds: vec![("m", 3)], resident: vec![("m", 4096)], memory: None, speed: None }
    }
}

pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    pub(crate) machines: BTreeMap<&'static str, (BackendId, Machine)>,
    pub(crate) dispatch: Dispatch,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) now: u64,
    last: u128,
}

impl Stage {
    pub(crate) fn new(machines: Vec<(&'static str, Machine)>) -> Self {
        Self::with(Rules::default(), machines)
    }

    pub(crate) fn with(rules: Rules, machines: Vec<(&'static str, Machine)>) -> Self {
        let mut stage = Self {
            fleet: Fleet::default(),
            machines: BTreeMap::new(),
            dispatch: Dispatch::new(rules),
            snapshot: Arc::new(Snapshot::default()),
            now: 0,
            last: 0,
        };
        for (name, machine) in machines {
            let origin = Origin { host: name.to_owned(), port: 11434 };
            let id = stage.fleet.add(name, origin, machine.slots);
            stage.machines.insert(name, (id, machine));
        }
        stage.beat();
        stage
    }

    /// Everybody tells everything anew, and a new picture is made.
    pub(crate) fn beat(&mut self) {
        let at = Moment(self.now);
        for (backend, machine) in self.machines.values() {
            let models = machine.holds.iter().map(|(name, gigabytes)| model(name, *gigabytes)).collect();
            let resident = machine.resident.iter().map(|(name, context)| {
                let bytes = machine.holds.iter().find(|(held, _)| held == name).map_or(0, |held| held.1);
                let loaded = Loaded {
                    bytes: bytes * 1_000_000_000,
                    vram_bytes: bytes * 1_000_000_000,
                    context_tokens: Some(*context),
                    ..Loaded::default()
                };
                ResidentClaim { name: self::name(name), loaded }
            });
            let mut readings = Vec::new();
            if let Some(memory) = machine.memory {
                readings.push((Column::MemTotal, memory as f64 * 1e9));
            }
            if let Some(speed) = machine.speed {
                readings.extend([(Column::Decode, speed), (Column::Prefill, 10.0 * speed)]);
            }
            let readings = Claim::Readings(readings, KEEPS);
            for claim in [Claim::Models(models), Claim::Resident(resident.collect()), readings] {
                self.fleet.observe(Observation { backend: *backend, at, claim });
            }
        }
        self.publish();
    }

    pub(crate) fn publish(&mut self) {
        self.snapshot = Arc::new(self.fleet.snapshot());
    }

    pub(crate) fn row(&self, name: &str) -> RowId {
        let of = |backend: &&Arc<herdwick_fleet::Backend>| &*backend.node.name == name;
        self.snapshot.backends().iter().find(of).expect("a machine of the stage").row
    }

    /// A request for a model: 100 tokens in, 256 out, patient for two minutes.
    pub(crate) fn ask(&mut self, model: &str) -> Ask {
        self.last += 1;
        let profile = Profile {
            id: RequestId::new(self.now, self.last),
            model: name(model),
            endpoint: "/api/chat",
            prompt_tokens: 100.0,
            expected_tokens: 256.0,
            context_min_tokens: 300.0,
            context_tokens: 400.0,
            streaming: true,
            attempts: 0,
        };
        Ask::new(profile, Moment(self.now + 120_000))
    }

    pub(crate) fn world(&self) -> World<'_> {
        World { now: Moment(self.now), snapshot: &self.snapshot, policy: &Plain }
    }

    pub(crate) fn arrive(&mut self, ask: Ask) -> Arrival {
        let snapshot = Arc::clone(&self.snapshot);
        let world = World { now: Moment(self.now), snapshot: &snapshot, policy: &Plain };
        self.dispatch.arrive(ask, world)
    }

    /// Sends a request that must find a slot at once.
    pub(crate) fn sent(&mut self, ask: Ask) -> Grant {
        match self.arrive(ask) {
            Arrival::Send(grant) => *grant,
            other => panic!("it was to be sent: {other:?}"),
        }
    }

    /// Has a request wait.
    pub(crate) fn waits(&mut self, ask: Ask) -> (RequestId, Place) {
        let request = ask.profile.id;
        match self.arrive(ask) {
            Arrival::Wait(place) => (request, place),
            other => panic!("it was to wait: {other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, ask: Ask) -> Refusal {
        match self.arrive(ask) {
            Arrival::Refuse(refusal) => *refusal,
            other => panic!("it was to be refused: {other:?}"),
        }
    }

    pub(crate) fn ends(&mut self, run: RunId) {
        self.dispatch.ended(run, RunEnd::Answered { tokens: 256.0 }, Moment(self.now));
    }

    pub(crate) fn wish(&mut self, wish: Wish, (row, model): (RowId, &str)) -> Result<(), Unfulfilled> {
        let snapshot = Arc::clone(&self.snapshot);
        let world = World { now: Moment(self.now), snapshot: &snapshot, policy: &Plain };
        self.dispatch.wish(wish, (row, &name(model)), world)
    }

    pub(crate) fn loaded(&mut self, load: LoadId) {
        self.dispatch.load_ended(load, LoadEnd::Done, Moment(self.now));
    }

    /// Turns until nothing more happens by itself; what was to be done.
    pub(crate) fn turn(&mut self) -> Vec<Action> {
        let snapshot = Arc::clone(&self.snapshot);
        let world = World { now: Moment(self.now), snapshot: &snapshot, policy: &Plain };
        let mut actions = Vec::new();
        loop {
            let wake = self.dispatch.turn(world);
            while let Some(action) = self.dispatch.next_action() {
                actions.push(action);
            }
            if wake.is_none_or(|wake| wake > world.now) {
                return actions;
            }
        }
    }
}

/// Who was sent, in order.
pub(crate) fn sends(actions: &[Action]) -> Vec<(RequestId, Grant)> {
    let sends = actions.iter().filter_map(|action| match action {
        Action::Send { request, grant } => Some((*request, (**grant).clone())),
        _ => None,
    });
    sends.collect()
}

pub(crate) fn name(text: &str) -> ModelName {
    ModelName::parse(text).expect("a valid name")
}

fn model(text: &str, gigabytes: u64) -> Model {
    Model {
        name: name(text),
        listed_as: text.into(),
        digest: String::new(),
        bytes: gigabytes * 1_000_000_000,
        modified_at: String::new(),
        format: String::new(),
        family: String::new(),
        parameter_size: String::new(),
        quantization: String::new(),
    }
}
