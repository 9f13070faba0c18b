//! A network of machines that a test can write down in a line: agents that report, servers that are asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Agent, Backend, BackendId, BackendKind, Claim, Column, Door, Event, Fleet, Listing, Model, ModelName,
    Moment, NodeId, Observation, Origin, Report, ResidentClaim, ServerReport, Snapshot, Source,
};

use super::name;

/// Ollama's port.
pub(crate) const PORT: u16 = 11_434;
/// Between two beats.
pub(crate) const BEAT: u64 = 1_000;

/// A fleet and its clock.
#[derive(Default)]
pub(crate) struct Lan {
    pub(crate) fleet: Fleet,
    pub(crate) now: u64,
}

/// The machine with this number.
pub(crate) fn id(number: u8) -> NodeId {
    NodeId::from_key(&[number; 32])
}

pub(crate) fn address(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

pub(crate) fn model(name: &str) -> Model {
    Model {
        name: ModelName::parse(name).expect("a valid name"),
        listed_as: name.into(),
        digest: String::new(),
        bytes: 3_000_000_000,
        modified_at: String::new(),
        format: String::new(),
        family: String::new(),
        parameter_size: String::new(),
        quantization: String::new(),
    }
}

pub(crate) fn loaded(model: &str) -> ResidentClaim {
    ResidentClaim { name: ModelName::parse(model).expect("a valid name"), loaded: Loaded::default() }
}

/// An Ollama with the model `m:1b`.
pub(crate) fn server() -> ServerReport {
    ServerReport {
        kind: BackendKind::Ollama,
        port: PORT,
        door: Door::Direct,
        down: None,
        version: "0.12".into(),
        slots: None,
        max_loaded: None,
        keep_alive: None,
        age: Duration::ZERO,
        models: Some(vec![model("m:1b")]),
        resident: Vec::new(),
        foreign: 0,
    }
}

pub(crate) fn forwarded(port: u16) -> Door {
    Door::Forwarded { port, bearer: "a-bearer-of-this-start".into() }
}

impl Lan {
    /// What the machine with this number says, with one server.
    pub(crate) fn report(&self, number: u8) -> Report {
        Report {
            node: id(number),
            name: format!("node-{number}"),
            agent: Agent::Herdwick { version: "0.1.0".into() },
            address: address(number),
            at: Moment(self.now),
            interval: Duration::from_millis(BEAT),
            draining: false,
            servers: vec![server()],
            readings: vec![(Column::MemFree, 7.0, Duration::ZERO)],
            other_routers: 0,
        }
    }

    /// It says so.
    pub(crate) fn hear(&mut self, report: Report) -> Vec<String> {
        said(self.fleet.report(report))
    }

    /// The machine beats, as always.
    pub(crate) fn beat(&mut self, number: u8) -> Vec<String> {
        let report = self.report(number);
        self.hear(report)
    }

    /// Time passes; what silence means by then is drawn at the moments at which it means something.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        let until = self.now + millis;
        let mut events = Vec::new();
        while let Some(due) = self.fleet.due().filter(|due| due.0 <= until) {
            self.now = self.now.max(due.0);
            events.extend(self.fleet.expire(Moment(self.now)));
        }
        self.now = until;
        said(events)
    }

    /// The operator names a server.
    pub(crate) fn list(&mut self, name: &str, host: &str, slots: Option<u32>) -> BackendId {
        let origin = Origin { host: host.into(), port: PORT };
        let labels = BTreeMap::new();
        let listing = Listing { name: name.into(), origin, slots, labels, source: Source::Configured };
        self.fleet.list(listing).expect("a place").0
    }

    /// Somebody asked the server and found this.
    pub(crate) fn find(&mut self, backend: BackendId, claim: Claim) -> Vec<String> {
        said(self.fleet.observe(Observation { backend, at: Moment(self.now), claim }))
    }

    pub(crate) fn see(&mut self) -> Snapshot {
        self.fleet.snapshot()
    }

    /// The only server.
    pub(crate) fn only(&mut self) -> Backend {
        let snapshot = self.see();
        let [backend] = snapshot.backends() else { panic!("one server, not {}", snapshot.backends().len()) };
        (**backend).clone()
    }

    /// Free slots of `m:1b` on the only server.
    pub(crate) fn free(&mut self) -> u32 {
        self.only().holdings[&name()].live.slots.free()
    }

    /// Whom the router asks itself.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.fleet.callees().iter().map(|callee| format!("{} {:?}", callee.origin, callee.rhythm)).collect()
    }
}

/// The server of that machine on Ollama's port.
pub(crate) fn backend(number: u8) -> BackendId {
    BackendId { node: id(number), port: PORT }
}

fn said(events: Vec<Event>) -> Vec<String> {
    events.iter().map(ToString::to_string).collect()
}
