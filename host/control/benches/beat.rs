//! What a heartbeat costs its router: from the bytes of a thousand agents to what the fleet knows, and to the signed
//! answer. What hyper takes is not in it.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::future::Future;
use std::hint::black_box;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use herdwick_control::{Desk, Heard, Ingest, IngestParts, Unheard};
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{BackendKind, Claim, Fleet, Model, ModelName, Report, ResidentClaim};
use herdwick_wire::beat::{Beat, ReadingBeat, Reply, ServerBeat};
use herdwick_wire::seal::{self, Identity, PublicKey};
use http::{Request, Response};

/// As many as the promise is about; each beats from an address of its own.
const AGENTS: u16 = 1_000;
/// Models of each.
const MODELS: usize = 10;

/// The fleet itself, without the keeper's task in between.
#[derive(Default)]
struct Direct(Mutex<Fleet>);

impl Desk for Direct {
    fn report(&self, report: Report) -> Pin<Box<dyn Future<Output = Result<Heard, Unheard>> + Send + '_>> {
        let node = report.node;
        let mut fleet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fleet.report(report);
        let heard = fleet.name(node).map(|name| Heard {
            name,
            is_drained: false,
            unlisted: fleet.wants_models(node),
        });
        Box::pin(async move { heard.ok_or(Unheard::NoRoom) })
    }
}

struct Agent {
    identity: Identity,
    from: IpAddr,
    beat: Beat,
}

impl Agent {
    fn new(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let mut seed = [7; 32];
        seed.iter_mut().zip([high, low]).for_each(|(to, from)| *to = from);
        let models: Vec<_> = (0..MODELS).map(|n| model(&format!("model-{n}:8b"))).collect();
        let mut server = ServerBeat::new(BackendKind::Ollama, 11_434);
        server.tell(&Claim::Version("0.12.11".to_owned()));
        server.tell(&Claim::Models(models.clone()));
        let loaded = Loaded { bytes: 6 << 30, vram_bytes: 6 << 30, ..Loaded::default() };
        let resident = models
            .iter()
            .take(3)
            .map(|model| ResidentClaim { name: model.name.clone(), loaded: loaded.clone() });
        server.tell(&Claim::Resident(resident.collect()));
        let readings = ["mem.total-bytes", "mem.free-bytes", "node.cpu-busy-ratio", "node.thermal-level"];
        let reading = |name: &str| ReadingBeat { name: name.to_owned(), value: 1.0, age_ms: 900 };
        let beat = Beat {
            name: format!("node-{number}"),
            version: "0.1.0".to_owned(),
            boot: "0123456789abcdef".to_owned(),
            session: String::new(),
            seq: 0,
            interval_ms: 1_000,
            draining: false,
            other_routers: 0,
            servers: vec![server],
            readings: readings.map(reading).to_vec(),
            facts: None,
        };
        Self { identity: Identity::from_seed(&seed), from: [10, 7, high, low].into(), beat }
    }

    fn seal(&mut self, router: &PublicKey) -> Request<Bytes> {
        self.beat.seq += 1;
        let body = serde_json::to_vec(&self.beat).unwrap_or_default();
        let request = Request::post("/fleet/v1/beat")
            .header(seal::KEY, self.identity.public().to_string())
            .header(seal::ROUTER, router.to_string())
            .header(seal::SIGNATURE, self.identity.sign_beat(Some(router), &body).to_string());
        request.body(body.into()).expect("constants and digits make a request")
    }
}

fn model(name: &str) -> Model {
    Model {
        name: ModelName::parse(name).expect("a model's name"),
        listed_as: name.to_owned(),
        digest: "5".repeat(64),
        bytes: 5 << 30,
        modified_at: "2026-01-01T00:00:00Z".to_owned(),
        format: "gguf".to_owned(),
        family: "llama".to_owned(),
        parameter_size: "8B".to_owned(),
        quantization: "Q4_K_M".to_owned(),
    }
}

/// No part of it waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("it waits"),
    }
}

fn beats(criterion: &mut Criterion) {
    let identity = Identity::from_seed(&[1; 32]);
    let router = identity.public();
    let ingest = Ingest::new(IngestParts {
        identity,
        secret: [2; 32],
        desk: Arc::new(Direct::default()),
        fleet: Arc::default(),
        facts: Arc::default(),
        port: 11_435,
        is_own: Box::new(|address| address.is_loopback()),
        start: Instant::now(),
    });
    let send = |from, request| -> Response<Bytes> { now(ingest.beat(from, request)) };
    let mut agents: Vec<_> = (0..AGENTS).map(Agent::new).collect();
    for agent in &mut agents {
        let knock = send(agent.from, agent.seal(&router));
        let reply: Reply = serde_json::from_slice(knock.body()).expect("a reply");
        agent.beat.session = reply.session;
        assert_eq!(send(agent.from, agent.seal(&router)).status(), 200);
        let server = agent.beat.servers.first_mut().expect("its server");
        *server = server.without_list();
    }
    let steady = agents.first_mut().expect("an agent").seal(&router);
    let mut next = 0;
    criterion.bench_function("beat of 1 of 1,000 agents", |bencher| {
        bencher.iter_batched(
            || {
                next = (next + 1) % usize::from(AGENTS);
                let agent = agents.get_mut(next).expect("an agent");
                (agent.from, agent.seal(&router))
            },
            |(from, request)| {
                let response = send(from, request);
                assert_eq!(response.status(), 200);
                response
            },
            BatchSize::SmallInput,
        );
    });
    let sealed = steady.body().clone();
    let agent = agents.first().expect("an agent");
    let signature = agent.identity.sign_beat(Some(&router), &sealed);
    criterion.bench_function("check of its seal", |bencher| {
        bencher.iter(|| {
            assert!(agent.identity.public().signed_beat(black_box(&signature), Some(&router), &sealed))
        });
    });
    criterion.bench_function("seal of the answer", |bencher| {
        bencher.iter(|| {
            agent.identity.sign_reply(black_box(&signature), b"{\"session\":\"\",\"interval_ms\":1000}")
        });
    });
}

criterion_group!(benches, beats);
criterion_main!(benches);
