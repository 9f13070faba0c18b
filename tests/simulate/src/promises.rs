//! One seed, one run: a fleet, clients and faults that nobody chose, and whether every promise was kept. Thousands of them
//! are what `cargo xtask simulate` is.

mod mutant;
mod trial;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Result;
use herdwick_fleet::SignalPolicy;

use crate::faults::Sort;
use crate::herdwick::Herdwick;
use crate::world::{Breach, World};

pub use self::mutant::{Mutant, Mutated};
pub use self::trial::Trial;

/// What is tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Only this sort of fault; all of them otherwise.
    pub faults: Option<Sort>,
    /// A router that breaks a promise on purpose, to see that it is noticed.
    pub mutant: Option<Mutant>,
}

/// What a seed led to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which.
    pub seed: u64,
    /// Digest of every event and action in their order.
    pub hash: u64,
    /// Requests that were asked.
    pub requests: usize,
    /// Of them, those with a whole answer.
    pub answered: usize,
    /// Faults that struck.
    pub faults: usize,
    /// Promises that were broken.
    pub breaches: Vec<Breach>,
}

/// Many verdicts.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seeds that were tried.
    pub seeds: u64,
    /// Requests of all of them.
    pub requests: usize,
    /// Of them, those with a whole answer.
    pub answered: usize,
    /// Faults that struck.
    pub faults: usize,
    /// The only sort of fault there was, if any.
    pub only: Option<Sort>,
    /// Those that broke a promise, by seed.
    pub failed: Vec<Verdict>,
}

/// Tries one seed.
pub fn run(seed: u64, wanted: Wanted, policy: &Arc<dyn SignalPolicy>) -> Verdict {
    let trial = Trial::new(seed, wanted.faults);
    let router = Herdwick::new(trial.setup(Arc::clone(policy)));
    let mut router = Mutated::new(router, wanted.mutant);
    let run = World::run(&trial.setting, &mut router);
    Verdict {
        seed,
        hash: run.hash,
        requests: run.records.len(),
        answered: run.records.iter().filter(|record| record.whole_s().is_some()).count(),
        faults: trial.setting.faults.len(),
        breaches: run.breaches,
    }
}

/// Tries `count` seeds from `first` on, on as many threads as there are processors. Stops soon after `most` of them
/// failed.
///
/// # Errors
/// The signals cannot be made.
pub fn sweep((first, count): (u64, u64), wanted: Wanted, most: usize) -> Result<Report> {
    let policy = crate::signals::native(&[])?;
    let next = AtomicU64::new(first);
    let report = Mutex::new(Report { only: wanted.faults, ..Report::default() });
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let verdict = run(seed, wanted, &policy);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.take(verdict);
                    if report.failed.len() >= most {
                        return;
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.failed.sort_by_key(|verdict| verdict.seed);
    Ok(report)
}

impl Report {
    fn take(&mut self, verdict: Verdict) {
        self.seeds += 1;
        self.requests += verdict.requests;
        self.answered += verdict.answered;
        self.faults += verdict.faults;
        if !verdict.breaches.is_empty() {
            self.failed.push(verdict);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, requests, answered, faults, only, failed } = self;
        let only = only.map_or(String::new(), |sort| format!(" --fault {}", sort.name()));
        writeln!(
            out,
            "{seeds} seeds: {requests} requests, {answered} answered, {faults} faults and remedies"
        )?;
        for verdict in failed {
            writeln!(out, "seed {} broke a promise:", verdict.seed)?;
            for breach in &verdict.breaches {
                writeln!(out, "  at {:.3} s {}", breach.at.s(), breach.what)?;
            }
            writeln!(out, "  again: cargo xtask simulate --seed {}{only}", verdict.seed)?;
        }
        Ok(())
    }
}
