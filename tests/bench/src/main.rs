//! The command line of the comparison: builds the router, starts everybody, measures, prints what came of it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures and progress are what it is for")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use herdwick_bench::calls;
use herdwick_bench::cpu::{self, Places};
use herdwick_bench::facts::Facts;
use herdwick_bench::load::Slice;
use herdwick_bench::mock::Mock;
use herdwick_bench::rounds::{self, Kind, Plan};
use herdwick_bench::scratch::Scratch;
use herdwick_bench::system::{Ground, Router, System};
use herdwick_bench::table::{self, Table};
use tokio::runtime::Runtime;

/// Backends of the mock.
const BACKENDS: usize = 4;

/// How long system calls are counted: what happens once per connection must not show.
const TRACED: Duration = Duration::from_secs(3);

/// Herdwick beside nginx and no proxy at all: the same clients, the same minute, ratios.
#[derive(Parser)]
#[command(name = "herdwick-bench")]
struct Arguments {
    /// How often everybody's turn comes.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// What counts of one turn, in milliseconds.
    #[arg(long, default_value_t = 700)]
    slice_ms: u64,
    /// The router to measure; without it, one is built with the profile `dist`.
    #[arg(long, value_name = "PROGRAM")]
    herdwick: Option<PathBuf>,
    /// Another router to measure beside it, for a change before and after.
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,
    /// Measure the router without its request log as well; nginx has none here.
    #[arg(long)]
    without_log: bool,
    /// Count system calls as well (needs strace).
    #[arg(long)]
    strace: bool,
    /// Connections that are kept open and not used; 0 leaves this out.
    #[arg(long, default_value_t = 10_000)]
    resting: usize,
    /// Only put one kind of load on the router, for a profiler to look at: `requests-16`, `streams-64`, `listener`…
    #[arg(long, value_name = "LOAD")]
    only: Option<Kind>,
    /// For how many seconds.
    #[arg(long, requires = "only", default_value_t = 20)]
    seconds: u64,
    /// Print tables for a README.
    #[arg(long)]
    markdown: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let routers = routers(arguments)?;
    let places = Places::find()?;
    let files = cpu::open_many_files()?;
    let scratch = Scratch::new()?;
    let mock = Mock::start(BACKENDS, Some(places.mock))?;
    let free = Ground { scratch: &scratch, cpu: None, backends: mock.addresses(), files };
    let ground = Ground { cpu: Some(places.system), ..free };

    if let Some(kind) = arguments.only {
        return hold(kind, arguments.seconds, &mock, (ground, places), &routers);
    }
    let mut facts = Facts::new(&routers);
    // Nothing is compiled yet, so this comes first.
    facts.starts(&routers, free)?;
    let runtime = clients(places)?;
    let mut systems = vec![System::direct(mock.addresses()), System::nginx(ground)?];
    for router in &routers {
        systems.push(System::router(router, ground)?);
    }
    facts.memory("memory, idle", &systems, "≤ 40 MB")?;
    let plan = Plan {
        rounds: arguments.rounds,
        span: Duration::from_millis(arguments.slice_ms),
        warm_up: Duration::from_millis(arguments.slice_ms / 7),
    };
    let mut failures = 0;
    let all = rounds::run(&runtime, &mock, &systems, plan, |word| {
        failures += usize::from(word.starts_with("FAILED"));
        eprintln!("{word}");
    })?;
    facts.memory("memory, after the load", &systems, "≤ 100 MB")?;
    if arguments.strace {
        let slice = Slice { clients: 16, warm_up: plan.warm_up, span: TRACED };
        let counted = systems.iter().skip(1).map(|system| {
            calls::per_request(&runtime, system, slice, &scratch).map(|calls| format!("{calls:.2}"))
        });
        facts.push("system calls per request, 16 clients", counted.collect::<Result<_>>()?, "≤ 4.2");
    }
    let names: Vec<String> = systems.iter().map(|system| system.name.clone()).collect();
    drop(systems);
    if arguments.resting > 0 {
        facts.resting(arguments.resting, &runtime, &routers, ground)?;
    }

    let under_load = table::under_load(&names, &all);
    let print = if arguments.markdown { Table::markdown } else { Table::plain };
    println!("\n{}\n{}", print(&under_load), print(facts.table()));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{} rounds of {} ms on {} processors. Waits are the client's own under \"direct\", elsewhere what is added to \
         them. Compared: median and quartiles of what was measured in the same round; ✗ falls short. \
         Load average of the machine at the end, ours included: {}",
        arguments.rounds,
        arguments.slice_ms,
        places.count(),
        load.split_whitespace().next().unwrap_or("unknown")
    );
    ensure!(failures == 0, "{failures} slices failed; see above");
    Ok(())
}

/// Where the clients run: on this thread, which stays on their processor from now on.
fn clients(places: Places) -> Result<Runtime> {
    cpu::stay_on(places.load)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the clients' runtime cannot start")
}

/// Puts load on the first router for a while.
fn hold(
    kind: Kind,
    seconds: u64,
    mock: &Mock,
    (ground, places): (Ground<'_>, Places),
    routers: &[Router],
) -> Result<()> {
    let router = System::router(routers.first().context("a router")?, ground)?;
    let process = router.process.as_ref().context("a process")?;
    eprintln!("{kind:?} on process {} for {seconds} s", process.id());
    let plan = Plan { rounds: 1, span: Duration::from_secs(seconds), warm_up: Duration::from_millis(100) };
    let taken = rounds::turn(&clients(places)?, mock, &router, kind, plan)?;
    println!("{:.0} per second, {:.1} µs of CPU each", taken.rate(), taken.cpu_us());
    Ok(())
}

/// What is to be measured beside nginx.
fn routers(arguments: &Arguments) -> Result<Vec<Router>> {
    let program = match &arguments.herdwick {
        Some(program) => program.clone(),
        None => build()?,
    };
    let router = |name: &str, program: &PathBuf| Router {
        name: name.to_owned(),
        program: program.clone(),
        variables: Vec::new(),
    };
    let mut routers = vec![router("herdwick", &program)];
    routers.extend(arguments.beside.iter().map(|program| router("beside", program)));
    if arguments.without_log {
        let off = ("HERDWICK_TELEMETRY__LOG_REQUESTS".to_owned(), "off".to_owned());
        routers.push(Router { variables: vec![off], ..router("without log", &program) });
    }
    Ok(routers)
}

/// Builds the router as it is released.
fn build() -> Result<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(&root).args(["build", "--locked", "--profile", "dist", "--package", "herdwick"]);
    let built = build.status().context("cannot run cargo; name a router with --herdwick")?;
    ensure!(built.success(), "the router cannot be built");
    Ok(target.join("dist/herdwick"))
}
