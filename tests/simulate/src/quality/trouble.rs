//! The same with faults: who loses answers, how slow the others are, and whether it pays to charge machines for having
//! failed.

use std::fmt::Write as _;

use crate::faults::{self, Sort, Span};
use crate::fleets::FleetKind;
use crate::metrics::{Quality, geometric};
use crate::quality::capacity::capacity;
use crate::quality::matrix::Cell;
use crate::quality::policy::{Policy, Shelf, Variant};
use crate::quality::table::{Table, short};
use crate::quality::{Scope, side_by_side};
use crate::time::Time;
use crate::trace::Pattern;
use crate::world::World;

const FLEETS: [FleetKind; 3] = [FleetKind::Unequal4, FleetKind::Same8, FleetKind::Mixed30];
const SORTS: [Sort; 4] = [Sort::Errors, Sort::Death, Sort::Pause, Sort::Slow];
const LOADS: [f64; 2] = [0.45, 0.8];
/// A fault begins about every so many requests.
const EVERY: usize = 60;
const ROUTERS: [Policy; 3] =
    [Policy::LeastConnections, Policy::Herdwick(Variant::Whole), Policy::Herdwick(Variant::Reliability)];

/// Measures and lays out.
pub(super) fn report(scope: &Scope, shelf: &Shelf, markdown: bool) -> String {
    let mut jobs = Vec::new();
    for fleet in FLEETS {
        for seed in scope.seeds() {
            let able = capacity(fleet, seed);
            for load in LOADS {
                let rate = able * load;
                let cell =
                    Cell { fleet, pattern: Pattern::Poisson, load, rate, requests: scope.requests, seed };
                jobs.extend(SORTS.into_iter().flat_map(|sort| ROUTERS.map(|router| (cell, sort, router))));
            }
        }
    }
    let measured = side_by_side(&jobs, |(cell, sort, router)| measure(cell, *sort, *router, shelf));
    let mut table = Table::new(&[
        "faults",
        "router",
        "requests without an answer, %",
        "first token: mean",
        "p99",
        "answer: mean",
    ]);
    for sort in SORTS {
        for router in ROUTERS {
            table.row(line(sort, router, &jobs, &measured));
        }
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nWith faults, {} cells a row: one begins every {EVERY} requests and lasts 20 s in the mean. Times are ratios to \
         herdwick.\n",
        measured.len() / SORTS.len() / ROUTERS.len()
    );
    text.push_str(&table.print(markdown));
    text
}

fn measure(cell: &Cell, sort: Sort, router: Policy, shelf: &Shelf) -> Quality {
    let mut setting = cell.setting();
    let last = setting.conversations.last().map_or(Time::default(), |talk| talk.start);
    let span = Span {
        nodes: setting.machines.len(),
        from: Time::seconds(5.0),
        until: last,
        count: cell.requests / EVERY,
    };
    setting.faults = faults::draw(&span, &[sort], cell.seed);
    let mut router = router.router(cell.seed, shelf);
    let run = World::run(&setting, router.as_mut());
    Quality::of(&run, &setting.machines)
}

fn line(sort: Sort, router: Policy, jobs: &[(Cell, Sort, Policy)], measured: &[Quality]) -> Vec<String> {
    let of = |policy: Policy| {
        let mine = jobs.iter().zip(measured).filter(move |((_, of, by), _)| *of == sort && *by == policy);
        mine.map(|(_, quality)| *quality).collect::<Vec<_>>()
    };
    let (ours, base) = (of(router), of(Policy::Herdwick(Variant::Whole)));
    let ratio = |what: fn(&Quality) -> f64| {
        short(geometric(
            ours.iter().zip(&base).map(|(one, other)| what(one).max(1e-3) / what(other).max(1e-3)),
        ))
    };
    let failed = ours.iter().map(|quality| quality.failed).sum::<f64>() / ours.len().max(1) as f64;
    vec![
        sort.name().to_owned(),
        router.name().to_owned(),
        format!("{:.2}", failed * 100.0),
        ratio(|quality| quality.first.mean),
        ratio(|quality| quality.first.p99),
        ratio(|quality| quality.whole.mean),
    ]
}
