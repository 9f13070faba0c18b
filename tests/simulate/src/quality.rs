//! How well each router routes: fleets, patterns of arrival and loads, all with the same requests.

mod capacity;
mod matrix;
mod policy;
mod table;
mod trouble;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;

use crate::fleets::FleetKind;
use crate::trace::Pattern;

pub use self::capacity::capacity;
pub use self::matrix::{Cell, Outcome, measure};
pub use self::policy::{Policy, Shelf, Variant};

/// Shares of what a fleet can do.
const LOADS: [f64; 3] = [0.45, 0.8, 0.95];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Requests of a cell, about.
    pub requests: usize,
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub seeds: u64,
}

impl Scope {
    /// What stands in the documentation.
    pub fn full(seed: u64) -> Self {
        Self { requests: 1_500, seed, seeds: 2 }
    }

    /// A first impression.
    pub fn quick(seed: u64) -> Self {
        Self { requests: 600, seed, seeds: 1 }
    }

    fn seeds(&self) -> impl Iterator<Item = u64> {
        self.seed..self.seed + self.seeds
    }
}

/// Measures everything and lays it out.
///
/// # Errors
/// The components do not run here.
pub fn report(scope: &Scope, markdown: bool) -> Result<String> {
    let shelf = Shelf::new()?;
    let cells = cells(scope);
    let jobs: Vec<(Cell, Policy)> =
        cells.iter().flat_map(|cell| Policy::compared().into_iter().map(|policy| (*cell, policy))).collect();
    let outcomes = side_by_side(&jobs, |(cell, policy)| measure(cell, *policy, &shelf));
    let mut text = table::report(&cells, &outcomes, markdown);
    text.push_str(&trouble::report(scope, &shelf, markdown));
    Ok(text)
}

fn cells(scope: &Scope) -> Vec<Cell> {
    let fleets: Vec<(FleetKind, u64)> =
        FleetKind::ALL.into_iter().flat_map(|fleet| scope.seeds().map(move |seed| (fleet, seed))).collect();
    let rates = side_by_side(&fleets, |(fleet, seed)| capacity(*fleet, *seed));
    let mut cells = Vec::new();
    for ((fleet, seed), able) in fleets.into_iter().zip(rates) {
        for pattern in Pattern::ALL {
            for load in LOADS {
                cells.push(Cell { fleet, pattern, load, rate: able * load, requests: scope.requests, seed });
            }
        }
    }
    cells
}

/// Does all jobs, as many at a time as there are processors; what comes of them stands in their order.
fn side_by_side<J: Sync, T: Send>(jobs: &[J], work: impl Fn(&J) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { return };
                    let result = work(job);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
