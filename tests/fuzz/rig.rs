//! A router with one backend that looks at every request as a prosecutor would; both live in a thread of the fuzzer.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use herdwick_dialect::Endpoint;
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Claim, Column, Counters, Event, Fleet, Generation, LivePolicy, Matrix, Model, ModelName, Moment,
    Observation, Origin, Outcome, Outcomes, PluginId, ResidentClaim, Sheet, SignalPolicy, Words,
};
use herdwick_proxy::gate::Trust;
use herdwick_proxy::listen::Listeners;
use herdwick_proxy::{Aliases, Aside, Dispatcher, Limits, Matter, Parts, Router, server};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The parts that the fuzzer sees.
pub struct Rig {
    pub router: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Rig {
    /// Requests that reached the backend so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Starts it the first time.
pub fn get() -> &'static Rig {
    static RIG: OnceLock<Rig> = OnceLock::new();
    RIG.get_or_init(|| {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                // Programs of Rust begin with this signal ignored; the fuzzer's `main` is C++, and a gathered write to a
                // client that left would end it.
                let _caught = signal(SignalKind::pipe()).expect("a signal can be caught");
                run(tell).await;
            });
        });
        told.recv().expect("it starts")
    })
}

async fn run(tell: mpsc::Sender<Rig>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let backend = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = Origin { host: "127.0.0.1".into(), port: backend.local_addr().expect("an address").port() };
    tokio::spawn(serve(backend, Arc::clone(&asked)));
    let (_published, published) = watch::channel(Generation::default());
    let (limits, start) = (Limits::default(), Instant::now());
    let fleet = Arc::new(ArcSwap::from_pointee(fleet(origin).snapshot()));
    let dispatcher = Dispatcher::new(&limits, Arc::clone(&fleet), Arc::new(Nobody), start);
    let router = Router::new(Parts {
        limits,
        aliases: Aliases::default(),
        trust: Trust::default(),
        fleet,
        published,
        policy: Arc::new(Nobody),
        dispatcher: Arc::new(dispatcher),
        ring: Arc::default(),
        aside: Arc::new(Nobody),
        outcomes: Arc::new(Nobody),
        counters: Arc::new(Counters::default()),
        start,
    });
    let listeners = Listeners::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    tell.send(Rig { router: listeners.address(), asked }).expect("somebody waits for it");
    let (_stop, stop) = watch::channel(false);
    server::serve(Arc::new(router), listeners, stop).await;
}

/// One node with the model `m`, in many slots.
fn fleet(origin: Origin) -> Fleet {
    let mut fleet = Fleet::default();
    let backend = fleet.add("node", origin, 64);
    let model = Model {
        name: ModelName::parse("m").expect("a name"),
        listed_as: "m".into(),
        digest: String::new(),
        bytes: 1,
        modified_at: String::new(),
        format: String::new(),
        family: String::new(),
        parameter_size: String::new(),
        quantization: String::new(),
    };
    // In memory, so that nobody but clients asks for anything: a load would be one request more.
    let resident = ResidentClaim { name: model.name.clone(), loaded: Loaded::default() };
    for claim in [Claim::Models(vec![model]), Claim::Resident(vec![resident])] {
        fleet.observe(Observation { backend, at: Moment(0), claim });
    }
    fleet
}

/// Answers requests, and ends the process if one is not as ours must be.
async fn serve(listener: TcpListener, asked: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, Arc::clone(&asked)));
    }
}

async fn connection(mut stream: TcpStream, asked: Arc<AtomicUsize>) {
    let mut held = Vec::new();
    loop {
        let Some(end) =
            fill(&mut stream, &mut held, |held| held.windows(4).position(|four| four == b"\r\n\r\n")).await
        else {
            return;
        };
        asked.fetch_add(1, Ordering::SeqCst);
        let head = String::from_utf8(held.drain(..end + 4).collect())
            .unwrap_or_else(|_| guilty("a head is no text"));
        let (path, length) = judge(&head);
        if fill(&mut stream, &mut held, |held| (held.len() >= length).then_some(())).await.is_none() {
            return;
        }
        let body: Vec<u8> = held.drain(..length).collect();
        if path != Endpoint::Transcriptions.path() && herdwick_scan::scan(&body).is_err() {
            guilty("a body passed that the scanner refuses");
        }
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"done\":true}";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// Reads until `done` finds what it looks for; `None` if the connection ends before.
async fn fill<T>(stream: &mut TcpStream, held: &mut Vec<u8>, done: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    loop {
        if let Some(found) = done(held) {
            return Some(found);
        }
        if stream.read_buf(held).await.ok()? == 0 {
            return None;
        }
    }
}

/// The path and length of a request whose head is as ours must be.
fn judge(head: &str) -> (&str, usize) {
    const OURS: [&str; 7] =
        ["host", "accept", "traceparent", "content-type", "content-length", "x-request-id", "user-agent"];
    let mut lines = head.split("\r\n");
    let first: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    let ["POST", path, "HTTP/1.1"] = first[..] else { guilty("a request line is not ours") };
    if !Endpoint::ALL.iter().any(|endpoint| endpoint.path() == path) {
        guilty("a path is not ours");
    }
    let mut lengths = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or_else(|| guilty("a header has no value"));
        if !OURS.contains(&name.to_ascii_lowercase().as_str()) {
            guilty("a header of a client's reached the backend");
        }
        if name.eq_ignore_ascii_case("content-length") {
            lengths.push(value.trim().parse().unwrap_or_else(|_| guilty("a length is no number")));
        }
    }
    match lengths[..] {
        [length] => (path, length),
        _ => guilty("a request has not one length"),
    }
}

/// A panic on this thread would go unnoticed.
fn guilty(what: &str) -> ! {
    eprintln!("{what}");
    std::process::abort()
}

/// Whoever must be there and is not asked.
struct Nobody;

impl LivePolicy for Nobody {
    fn pin(&self) -> Arc<dyn SignalPolicy> {
        Arc::new(Nobody)
    }
}

impl SignalPolicy for Nobody {
    fn columns(&self) -> Arc<[Column]> {
        Arc::default()
    }

    fn score(&self, _: &Matrix, _: &Words<'_>) -> Sheet {
        Sheet::default()
    }

    fn explain(&self, _: &Matrix, _: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        Vec::new()
    }
}

impl Outcomes for Nobody {
    fn record(&self, _: Outcome) {}

    fn changed(&self, _: Event) {}
}

impl Aside for Nobody {
    fn serve(
        &self,
        _: Matter,
        _: IpAddr,
        _: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        Box::pin(async { Response::new(Bytes::new()) })
    }
}
