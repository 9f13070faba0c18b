//! What one routing decision costs, with the real components: survey, readings, every signal, fold, ranking.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Claim, Field, Fleet, Model, ModelName, Moment, Observation, Origin, Profile, RequestId, ResidentClaim,
    Snapshot, decide,
};
use herdwick_plugin_host::{PluginHost, Wanted};

const MODEL: &str = "qwen3:8b";

/// A fleet in which every node holds the model and every third has it resident.
fn fleet(nodes: u16) -> Result<Snapshot, Box<dyn std::error::Error>> {
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
        let resident = ResidentClaim { name: name.clone(), loaded };
        let resident = if index % 3 == 0 { vec![resident] } else { Vec::new() };
        for claim in [Claim::Models(vec![model]), Claim::Resident(resident)] {
            fleet.observe(Observation { backend, at: Moment(0), claim });
        }
    }
    Ok(fleet.snapshot())
}

fn decision(criterion: &mut Criterion) {
    let host = PluginHost::start(&Wanted::default()).expect("the built-in plugins load");
    let mut group = criterion.benchmark_group("decision");
    for nodes in [1, 8, 64] {
        let snapshot = fleet(nodes).expect("a valid fleet");
        let profile = Profile {
            id: RequestId::new(0, 0x5eed),
            endpoint: "/api/chat",
            model: ModelName::parse(MODEL).expect("a valid name"),
            prompt_tokens: 400.0,
            expected_tokens: 256.0,
            context_min_tokens: 0.0,
            context_tokens: 0.0,
            streaming: true,
            attempts: 0,
        };
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| {
                let set = host.current();
                let field = Field::survey(black_box(&profile), &snapshot, &[], Moment(1));
                let decision = decide(&profile, &snapshot, field, &*set, Moment(1));
                assert_eq!(decision.candidates().count(), usize::from(nodes));
                decision
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decision);
criterion_main!(benches);
