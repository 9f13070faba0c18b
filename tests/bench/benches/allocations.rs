//! How often a request makes the router ask for memory, and for how much: the data plane in this process with the real
//! plugins, on a thread of its own whose allocations are counted. Backends and clients have threads of theirs.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use arc_swap::ArcSwap;
use bytes::Bytes;
use herdwick_bench::client::{Client, question};
use herdwick_bench::mock::{MODEL, Mock};
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{
    Claim, Counters, Event, Fleet, Generation, LivePolicy, Model, ModelName, Moment, Observation, Origin,
    Outcome, Outcomes, ResidentClaim, Ring, Snapshot,
};
use herdwick_plugin_host::{PluginHost, Wanted};
use herdwick_proxy::gate::Trust;
use herdwick_proxy::listen::Listeners;
use herdwick_proxy::{Aliases, Aside, Dispatcher, Limits, Matter, Parts, Router, server};
use http::{Request, Response};
use tokio::sync::watch;

/// Backends that can take a request.
const BACKENDS: usize = 4;
/// Requests before any is counted: connections are open then, and buffers have their size.
const WARM_UP: usize = 200;
/// Requests that are counted.
const COUNTED: usize = 1_000;
/// Lines of each stream.
const LINES: u64 = 200;

/// Nobody asks for anything but models here.
struct NoAside;

impl Aside for NoAside {
    fn serve(
        &self,
        _: Matter,
        _: IpAddr,
        _: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        Box::pin(async { Response::new(Bytes::new()) })
    }
}

/// What is told of a request is dropped at once, as a log that is off does it.
struct NoLog;

impl Outcomes for NoLog {
    fn record(&self, _: Outcome) {}

    fn changed(&self, _: Event) {}
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> Result<()> {
    let mock = Mock::start(BACKENDS, None)?;
    mock.streams(LINES, Duration::ZERO);
    let none = counted(&mock, |_, _| Ok(()))?;
    let warm = counted(&mock, |client, runtime| ask(client, runtime, WARM_UP))?;
    let both = counted(&mock, |client, runtime| ask(client, runtime, WARM_UP + COUNTED))?;
    let streams =
        |count| move |client: &mut Client, runtime: &tokio::runtime::Runtime| listen(client, runtime, count);
    let (few, many) = (counted(&mock, streams(10))?, counted(&mock, streams(110))?);
    println!("{:>34}  {:>11}  {:>9}", "", "allocations", "bytes");
    let line = |name: &str, (more, less): (Count, Count), per: f64| {
        println!(
            "{name:>34}  {:>11.2}  {:>9.0}",
            (more.times - less.times) as f64 / per,
            (more.bytes - less.bytes) as f64 / per
        );
    };
    line("first requests on a connection", (warm, none), WARM_UP as f64);
    line("request", (both, warm), COUNTED as f64);
    line("streamed line (its share of all)", (many, few), 100.0 * LINES as f64);
    Ok(())
}

/// Allocations of the data thread.
#[derive(Clone, Copy)]
struct Count {
    times: u64,
    bytes: u64,
}

/// Runs a router while one client does `work`, and counts what its thread allocates from start to end.
fn counted(
    mock: &Mock,
    work: impl FnOnce(&mut Client, &tokio::runtime::Runtime) -> Result<()>,
) -> Result<Count> {
    let plugins = Arc::new(PluginHost::start(&Wanted::default())?);
    let start = Instant::now();
    let fleet = Arc::new(ArcSwap::from_pointee(snapshot(mock.addresses())?));
    let (_publisher, published) = watch::channel(Generation::default());
    let limits = Limits::default();
    let policy: Arc<dyn LivePolicy> = plugins;
    let dispatcher = Dispatcher::new(&limits, Arc::clone(&fleet), Arc::clone(&policy), start);
    let router = Arc::new(Router::new(Parts {
        limits,
        aliases: Aliases::default(),
        trust: Trust::default(),
        fleet,
        published,
        policy,
        dispatcher: Arc::new(dispatcher),
        ring: Arc::new(Ring::default()),
        aside: Arc::new(NoAside),
        outcomes: Arc::new(NoLog),
        counters: Arc::new(Counters::default()),
        start,
    }));
    let (stop, stopped) = watch::channel(false);
    let (tell, told) = mpsc::channel();
    let data = std::thread::spawn(move || {
        let runtime = runtime()?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = runtime.block_on(Listeners::bind(any))?;
        tell.send(listener.address())?;
        let info = allocation_counter::measure(|| {
            runtime.block_on(server::serve(router, listener, stopped));
        });
        anyhow::Ok(Count { times: info.count_total, bytes: info.bytes_total })
    });
    let address = told.recv().context("the router did not start")?;
    let runtime = runtime()?;
    let mut client = runtime.block_on(Client::connect(address))?;
    work(&mut client, &runtime)?;
    drop(client);
    stop.send(true)?;
    data.join().map_err(|_| anyhow::anyhow!("the data thread panicked"))?
}

fn ask(client: &mut Client, runtime: &tokio::runtime::Runtime, times: usize) -> Result<()> {
    let question = question(false);
    runtime.block_on(async {
        for _ in 0..times {
            ensure!(client.ask(&question).await? > 0, "an empty answer");
        }
        Ok(())
    })
}

fn listen(client: &mut Client, runtime: &tokio::runtime::Runtime, times: usize) -> Result<()> {
    let question = question(true);
    runtime.block_on(async {
        for _ in 0..times {
            client.listen(&question, |_, _| {}).await?;
        }
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}

/// A fleet of the mock's backends, each with the model resident.
fn snapshot(backends: &[SocketAddr]) -> Result<Snapshot> {
    let mut fleet = Fleet::default();
    let name = ModelName::parse(MODEL).context("a good name")?;
    for (index, address) in backends.iter().enumerate() {
        let origin = Origin { host: address.ip().to_string(), port: address.port() };
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
        for claim in [Claim::Models(vec![model]), Claim::Resident(vec![resident])] {
            fleet.observe(Observation { backend, at: Moment(0), claim });
        }
    }
    Ok(fleet.snapshot())
}
