//! The core from outside: a fleet is told things, a request is decided, the reasons are read.

#![cfg(test)]

mod deciding;
mod lan;
mod learning;
mod merging;
mod operating;
mod random;
mod readings;
mod remembering;
mod reporting;
mod silence;
mod surveying;
mod trusting;

use std::sync::Arc;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Answer, BackendId, Claim, Column, Decision, Field, Fleet, Generation, Matrix, Model, ModelName, Moment,
    Observation, Origin, PluginId, Profile, RequestId, ResidentClaim, RowId, Sheet, SignalPolicy, SlotGuard,
    Snapshot, Words, decide,
};

/// A fleet in which every node holds the model `m:1b` of 3 GB.
#[derive(Default)]
struct Scene {
    fleet: Fleet,
    nodes: Vec<(&'static str, BackendId)>,
}

fn name() -> ModelName {
    ModelName::parse("m:1b").expect("a valid name")
}

fn profile(lot: u128) -> Profile {
    Profile {
        id: RequestId::new(0, lot),
        model: name(),
        endpoint: "/api/chat",
        prompt_tokens: 100.0,
        expected_tokens: 256.0,
        context_min_tokens: 0.0,
        context_tokens: 0.0,
        streaming: true,
        attempts: 0,
    }
}

impl Scene {
    fn node(mut self, node: &'static str, resident: bool, slots: u32) -> Self {
        let id = self.fleet.add(node, Origin { host: node.to_owned(), port: 11434 }, slots);
        self.nodes.push((node, id));
        let model = Model {
            name: name(),
            listed_as: "m:1b".into(),
            digest: String::new(),
            bytes: 3_000_000_000,
            modified_at: String::new(),
            format: String::new(),
            family: String::new(),
            parameter_size: String::new(),
            quantization: String::new(),
        };
        let claim = ResidentClaim {
            name: name(),
            loaded: Loaded { vram_bytes: 7, context_tokens: Some(4096), ..Loaded::default() },
        };
        self.tell(node, Claim::Models(vec![model]));
        self.tell(node, Claim::Resident(if resident { vec![claim] } else { vec![] }));
        self
    }

    fn tell(&mut self, node: &str, claim: Claim) {
        let (_, backend) = *self.nodes.iter().find(|(have, _)| *have == node).expect("a node of the scene");
        self.fleet.observe(Observation { backend, at: Moment(0), claim });
    }

    fn snapshot(&mut self) -> Snapshot {
        self.fleet.snapshot()
    }
}

/// Takes `count` slots of the model on `node`.
fn occupy(snapshot: &Snapshot, node: &str, count: usize) -> Vec<SlotGuard> {
    let name = name();
    let (_, holding) = snapshot.holders(&name).find(|(b, _)| &*b.node.name == node).expect("a holder");
    (0..count).map(|_| holding.live.slots.try_acquire().expect("a free slot")).collect()
}

/// Signals that answer what a test wrote down, one list of costs per signal.
struct Script(Vec<(&'static str, f64, Vec<f64>)>);

impl SignalPolicy for Script {
    fn columns(&self) -> Arc<[Column]> {
        [Column::SlotsFree].into()
    }

    fn score(&self, _: &Matrix, _: &Words<'_>) -> Sheet {
        let answer = |(plugin, weight, costs): &(&str, f64, Vec<f64>)| Answer {
            plugin: PluginId::new(plugin),
            weight: *weight,
            costs: costs.clone(),
        };
        let answers = self.0.iter().map(answer);
        let (shadows, answers) = answers.partition(|answer| answer.plugin.as_str().starts_with("shadow"));
        Sheet { generation: Generation(3), answers, shadows, ..Sheet::default() }
    }

    fn explain(&self, _: &Matrix, _: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        Vec::new()
    }
}

fn decided(snapshot: &Snapshot, tried: &[RowId], signals: Script, lot: u128) -> Arc<Decision> {
    let profile = profile(lot);
    let field = Field::survey(&profile, snapshot, tried, Moment(0));
    decide(&profile, snapshot, field, &signals, Moment(0)).decision
}
