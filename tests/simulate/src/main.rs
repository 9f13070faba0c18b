//! `cargo xtask simulate`: reads the command line, runs, prints.

#![allow(clippy::print_stdout, reason = "what it finds is what it is for")]
#![allow(clippy::print_stderr, reason = "a developer task reports to the terminal it was started from")]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use herdwick_simulate::faults::Sort;
use herdwick_simulate::promises::{self, Report, Wanted};
use herdwick_simulate::quality::{self, Scope};
use herdwick_simulate::signals;

/// Dispatch on made-up machines in made-up time: every seed is a fleet, clients and faults, and must keep every promise.
#[derive(Parser)]
#[command(name = "cargo xtask simulate", bin_name = "cargo xtask simulate")]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How many seeds to try.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
    /// Only this one.
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Only faults of this sort: death, hang, pause, slow, errors, loads, models or clock.
    #[arg(long, value_name = "SORT", value_parser = sort)]
    fault: Option<Sort>,
}

#[derive(Subcommand)]
enum What {
    /// How well it routes, beside other routers and an all-knowing one.
    Quality {
        /// Fewer requests and one seed: two minutes instead of half an hour.
        #[arg(long)]
        quick: bool,
        /// Print tables in Markdown, as they stand in host/README.md.
        #[arg(long)]
        markdown: bool,
        /// The first seed.
        #[arg(long, value_name = "S", default_value_t = 101)]
        seed: u64,
    },
}

/// Seeds that fail before a sweep stops.
const ENOUGH: usize = 5;

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
    let began = Instant::now();
    if let Some(What::Quality { quick, markdown, seed }) = arguments.what {
        let scope = if quick { Scope::quick(seed) } else { Scope::full(seed) };
        print!("{}", quality::report(&scope, markdown)?);
        eprintln!("took {:.0} s", began.elapsed().as_secs_f64());
        return Ok(());
    }
    let wanted = Wanted { faults: arguments.fault, mutant: None };
    let report = match arguments.seed {
        Some(seed) => one(seed, wanted)?,
        None => promises::sweep((arguments.from, arguments.seeds), wanted, ENOUGH)?,
    };
    print!("{report}");
    println!("took {:.1} s", began.elapsed().as_secs_f64());
    ensure!(report.failed.is_empty(), "{} seeds broke a promise", report.failed.len());
    Ok(())
}

/// One seed, twice, since it must be the same run.
fn one(seed: u64, wanted: Wanted) -> Result<Report> {
    let policy = signals::native(&[])?;
    let (first, second) = (promises::run(seed, wanted, &policy), promises::run(seed, wanted, &policy));
    println!("seed {seed}: digest {:016x}", first.hash);
    for fault in &promises::Trial::new(seed, wanted.faults).setting.faults {
        println!("  at {:.3} s machine {}: {:?}", fault.at.s(), fault.node.0, fault.blow);
    }
    ensure!(first.hash == second.hash, "the same seed was another run: {:016x}", second.hash);
    promises::sweep((seed, 1), wanted, ENOUGH)
}

fn sort(name: &str) -> Result<Sort, String> {
    let all = Sort::ALL.map(Sort::name).join(", ");
    Sort::from_name(name).ok_or_else(|| format!("there are: {all}"))
}
