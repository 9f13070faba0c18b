//! What a large fleet costs the router: a heartbeat, the pictures, silence, and a decision among all, each for 10, 100 and
//! 1,000 machines of ten models. All of it should grow with the number of machines, and a heartbeat not at all.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Agent, BackendKind, Column, Door, Field, Fleet, Model, ModelName, Moment, NodeId, Profile, Report,
    RequestId, ResidentClaim, ServerReport, decide,
};
use herdwick_plugin_host::{PluginHost, Wanted};

/// Machines in a fleet.
const NODES: [u32; 3] = [10, 100, 1_000];
/// Models of each machine; one of them is in its memory.
const MODELS: usize = 10;
/// Between two beats of a machine.
const INTERVAL: Duration = Duration::from_secs(1);
/// Pictures in a second, at most.
const PICTURES: u32 = 50;

fn name(model: usize) -> ModelName {
    ModelName::parse(&format!("model-{model}:8b")).expect("a valid name")
}

fn model(model: usize) -> Model {
    Model {
        name: name(model),
        listed_as: name(model).to_string(),
        digest: format!("{model:064x}"),
        bytes: 5_200_000_000,
        modified_at: "2026-01-01T00:00:00Z".into(),
        format: "gguf".into(),
        family: "qwen3".into(),
        parameter_size: "8.2B".into(),
        quantization: "Q4_K_M".into(),
    }
}

/// What a machine says; its models only the first time.
fn report(node: u32, at: Moment, models: bool) -> Report {
    let mut key = [0; 32];
    key.iter_mut().zip(node.to_be_bytes()).for_each(|(to, from)| *to = from);
    let resident = ResidentClaim {
        name: name(node as usize % MODELS),
        loaded: Loaded { vram_bytes: 6 << 30, context_tokens: Some(4096), ..Loaded::default() },
    };
    let server = ServerReport {
        kind: BackendKind::Ollama,
        port: 11_434,
        door: Door::Direct,
        down: None,
        version: "0.12.6".into(),
        slots: Some(4),
        max_loaded: None,
        keep_alive: None,
        age: Duration::from_millis(100),
        models: models.then(|| (0..MODELS).map(model).collect()),
        resident: vec![resident],
        foreign: 0,
    };
    let readings = [
        (Column::MemTotal, 64e9),
        (Column::MemFree, 40e9),
        (Column::MemSystem, 96e9),
        (Column::MemPressure, 0.0),
        (Column::Thermal, 0.0),
        (Column::Throttled, 0.0),
        (Column::Battery, 0.0),
        (Column::CpuBusy, 0.2),
        (Column::Bandwidth, 4e11),
    ];
    Report {
        node: NodeId::from_key(&key),
        name: format!("node-{node}"),
        agent: Agent::Herdwick { version: "0.1.0".into() },
        address: (0x0a00_0000_u32 + node).to_be_bytes().into(),
        at,
        interval: INTERVAL,
        draining: false,
        servers: vec![server],
        readings: readings.map(|(column, value)| (column, value, Duration::from_millis(300))).into(),
        other_routers: 0,
    }
}

fn fleet(nodes: u32) -> Fleet {
    let mut fleet = Fleet::default();
    for node in 0..nodes {
        fleet.report(report(node, Moment(1), true));
    }
    fleet
}

fn beats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fleet-scale/report");
    for nodes in NODES {
        let mut fleet = fleet(nodes);
        let (mut node, mut now) = (0, 2);
        // The picture that decisions are made on is always alive.
        let mut picture = fleet.snapshot();
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter_batched(
                || {
                    node = (node + 1) % nodes;
                    now += 1;
                    report(node, Moment(now), false)
                },
                |report| {
                    let node = report.node;
                    let events = fleet.report(black_box(report));
                    if events.is_empty() { fleet.wants_models(node).len() } else { events.len() }
                },
                BatchSize::SmallInput,
            );
            picture = fleet.snapshot();
        });
        black_box(&picture);
    }
    group.finish();
}

fn pictures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fleet-scale/snapshot");
    for nodes in NODES {
        let mut fleet = fleet(nodes);
        group
            .bench_function(BenchmarkId::new("readings", nodes), |bencher| bencher.iter(|| fleet.snapshot()));
        let mut drained = false;
        group.bench_function(BenchmarkId::new("members", nodes), |bencher| {
            bencher.iter(|| {
                drained = !drained;
                let changed = if drained { fleet.drain("node-1") } else { fleet.undrain("node-1") };
                changed.expect("it is there");
                fleet.snapshot()
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("fleet-scale/expire");
    for nodes in NODES {
        let mut fleet = fleet(nodes);
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| fleet.expire(black_box(Moment(2))));
        });
    }
    group.finish();
}

/// Everything that the keeper does in a second in which every machine beats once.
fn seconds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fleet-scale/second");
    for nodes in NODES {
        let mut fleet = fleet(nodes);
        let mut now = 2;
        let mut picture = fleet.snapshot();
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter_batched(
                || {
                    now += 1_000;
                    (0..nodes).map(|node| report(node, Moment(now), false)).collect::<Vec<_>>()
                },
                |reports| {
                    let heard = reports.last().map(|report| report.at);
                    let each = (nodes / PICTURES).max(1) as usize;
                    for (at, report) in reports.into_iter().enumerate() {
                        let events = fleet.report(report);
                        assert!(events.is_empty(), "{events:?}");
                        if (at + 1) % each == 0 {
                            picture = fleet.snapshot();
                        }
                    }
                    fleet.expire(heard.unwrap_or_default())
                },
                BatchSize::LargeInput,
            );
        });
        black_box(&picture);
    }
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    let host = PluginHost::start(&Wanted::default()).expect("the built-in plugins load");
    let mut group = criterion.benchmark_group("fleet-scale/decision");
    for nodes in NODES {
        let snapshot = fleet(nodes).snapshot();
        let profile = Profile {
            id: RequestId::new(0, 0x5eed),
            endpoint: "/api/chat",
            model: name(0),
            prompt_tokens: 400.0,
            expected_tokens: 256.0,
            context_min_tokens: 0.0,
            context_tokens: 0.0,
            streaming: true,
            attempts: 0,
        };
        group.bench_function(BenchmarkId::new("survey", nodes), |bencher| {
            bencher.iter(|| Field::survey(black_box(&profile), &snapshot, &[], Moment(1)));
        });
        group.bench_function(BenchmarkId::new("decide", nodes), |bencher| {
            bencher.iter(|| {
                let set = host.current();
                let field = Field::survey(black_box(&profile), &snapshot, &[], Moment(1));
                let decision = decide(&profile, &snapshot, field, &*set, Moment(1));
                assert_eq!(decision.candidates().count(), nodes as usize);
                decision
            });
        });
    }
    group.finish();
}

criterion_group!(benches, beats, pictures, seconds, decisions);
criterion_main!(benches);
