//! What dispatch costs beside the decision itself, and what it costs to look anew at everybody who waits: with a policy
//! that costs nothing, and with the real components.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::dispatch::{Arrival, Ask, Dispatch, RunEnd, World};
use herdwick_fleet::{
    Answer, Claim, Column, Field, Fleet, Matrix, Model, ModelName, Moment, Observation, Origin, PluginId,
    Profile, RequestId, ResidentClaim, Sheet, SignalPolicy, Snapshot, Words, decide,
};
use herdwick_plugin_host::{PluginHost, Wanted};

const MODEL: &str = "qwen3:8b";

/// One signal in plain Rust that reads the queue, and what it takes to see what dispatch adds.
struct Cheap;

impl SignalPolicy for Cheap {
    fn columns(&self) -> Arc<[Column]> {
        [Column::QueueWaiting, Column::FirstFree].into()
    }

    fn score(&self, matrix: &Matrix, _: &Words<'_>) -> Sheet {
        let costs = matrix.iter().map(|(_, row)| row.iter().sum()).collect();
        let answer = Answer { plugin: PluginId::new("cheap"), weight: 1.0, costs };
        Sheet { answers: vec![answer], ..Sheet::default() }
    }

    fn explain(&self, _: &Matrix, _: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        Vec::new()
    }
}

/// A fleet in which every node holds the model and has it in memory.
fn fleet(nodes: u16) -> Result<Fleet, Box<dyn std::error::Error>> {
    let mut fleet = Fleet::default();
    let name = ModelName::parse(MODEL)?;
    for index in 0..nodes {
        let origin = Origin { host: format!("10.0.0.{index}"), port: 11434 };
        let backend = fleet.add(&format!("node-{index}"), origin, 4);
        let model = Model {
            name: name.clone(),
            listed_as: MODEL.into(),
            digest: "0".into(),
            bytes: 5_200_000_000,
            modified_at: String::new(),
            format: "gguf".into(),
            family: "qwen3".into(),
            parameter_size: "8.2B".into(),
            quantization: "Q4_K_M".into(),
        };
        let loaded = Loaded { vram_bytes: 6 << 30, context_tokens: Some(4096), ..Loaded::default() };
        let resident = vec![ResidentClaim { name: name.clone(), loaded }];
        for claim in [Claim::Models(vec![model]), Claim::Resident(resident)] {
            fleet.observe(Observation { backend, at: Moment(0), claim });
        }
    }
    Ok(fleet)
}

fn profile(id: u128) -> Profile {
    Profile {
        id: RequestId::new(0, id),
        endpoint: "/api/chat",
        model: ModelName::parse(MODEL).expect("a valid name"),
        prompt_tokens: 400.0,
        expected_tokens: 256.0,
        context_min_tokens: 656.0,
        context_tokens: 656.0,
        streaming: true,
        attempts: 0,
    }
}

/// A request that finds a slot, and its end; beside it the same decision without dispatch.
fn fast(criterion: &mut Criterion) {
    let host = PluginHost::start(&Wanted::default()).expect("the built-in plugins load");
    let seven = host.current();
    let policies: [(&str, &dyn SignalPolicy); 2] = [("cheap", &Cheap), ("seven", &*seven)];
    for (name, policy) in policies {
        let mut group = criterion.benchmark_group(format!("fast/{name}"));
        for nodes in [1, 8, 16] {
            let snapshot = fleet(nodes).expect("a valid fleet").snapshot();
            group.bench_function(BenchmarkId::new("decision", nodes), |bencher| {
                let profile = profile(1);
                bencher.iter(|| {
                    let field = Field::survey(black_box(&profile), &snapshot, &[], Moment(1));
                    let decided = decide(&profile, &snapshot, field, policy, Moment(1));
                    let slot = decided.candidates().next().map(|best| best.holding.live.slots.try_acquire());
                    (decided, slot)
                });
            });
            group.bench_function(BenchmarkId::new("dispatch", nodes), |bencher| {
                let mut dispatch = Dispatch::default();
                let ask = Ask::new(profile(1), Moment(120_000));
                let mut now = 0;
                bencher.iter(|| {
                    now += 1;
                    let world = World { now: Moment(now % 5_000), snapshot: &snapshot, policy };
                    let Arrival::Send(grant) = dispatch.arrive(ask.clone(), world) else {
                        return None;
                    };
                    dispatch.ended(grant.run, RunEnd::Answered { tokens: 256.0 }, world.now);
                    Some(grant)
                });
            });
        }
        group.finish();
    }
}

/// Two hundred wait for sixteen full backends, and the fleet changes: everybody is looked at anew.
fn anew(criterion: &mut Criterion) {
    const WAITING: u128 = 200;
    let host = PluginHost::start(&Wanted::default()).expect("the built-in plugins load");
    let seven = host.current();
    let policies: [(&str, &dyn SignalPolicy); 2] = [("cheap", &Cheap), ("seven", &*seven)];
    let mut group = criterion.benchmark_group("anew");
    for (name, policy) in policies {
        let mut fleet = fleet(16).expect("a valid fleet");
        let before = fleet.snapshot();
        fleet.add("another", Origin { host: "10.0.1.1".into(), port: 11434 }, 1);
        let after = fleet.snapshot();
        let mut dispatch = Dispatch::default();
        let world = |snapshot| World { now: Moment(1), snapshot, policy };
        for id in 0..16 * 4 + WAITING {
            let _ = dispatch.arrive(Ask::new(profile(id), Moment(120_000)), world(&before));
        }
        let mut is_before = true;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let snapshot: &Snapshot = if is_before { &after } else { &before };
                is_before = !is_before;
                dispatch.turn(world(snapshot));
                while dispatch.is_due() {
                    dispatch.turn(world(snapshot));
                }
                assert_eq!(dispatch.waiting(), WAITING as usize, "nobody finds anything");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fast, anew);
criterion_main!(benches);
