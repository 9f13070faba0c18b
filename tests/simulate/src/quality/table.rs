//! Lays outcomes out as tables: ratios to the best all-knowing greedy of each cell, as geometric means.

use std::fmt::Write as _;

use crate::fleets::FleetKind;
use crate::knowing::Style;
use crate::metrics::{Quality, Times, geometric};
use crate::quality::LOADS;
use crate::quality::matrix::{Cell, Outcome};
use crate::quality::policy::{Policy, Variant};
use crate::trace::Pattern;

/// A cell with what each router made of it.
struct Measured<'a> {
    cell: &'a Cell,
    outcomes: &'a [Outcome],
    /// The best of those that know everything, by the sum of both means.
    reference: Quality,
}

/// Which times of a run, and what of them.
type Figure = (fn(&Quality) -> Times, fn(&Times) -> f64);

/// Rows and columns of text.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// As Markdown, or with columns below each other for a terminal.
    pub(super) fn print(&self, markdown: bool) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |at: usize| self.rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            if markdown {
                let _ = writeln!(text, "| {} |", row.join(" | "));
                if number == 0 {
                    let _ = writeln!(text, "|{}", " --- |".repeat(columns));
                }
            } else {
                let padded: Vec<String> =
                    row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                let _ = writeln!(text, "{}", padded.join("  ").trim_end());
            }
        }
        text
    }
}

/// Everything there is to say.
pub(super) fn report(cells: &[Cell], outcomes: &[Outcome], markdown: bool) -> String {
    let width = Policy::compared().len();
    let measured: Vec<Measured<'_>> = cells
        .iter()
        .zip(outcomes.chunks(width))
        .map(|(cell, outcomes)| Measured { cell, outcomes, reference: reference(outcomes) })
        .collect();
    let all: Vec<&Measured<'_>> = measured.iter().collect();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Ratios to the best all-knowing greedy of each cell, geometric means over {} cells; loads, fairness and cache are \
         plain means.\n",
        cells.len()
    );
    let mut table = head("router");
    for policy in Policy::compared() {
        table.row(line(policy.name().to_owned(), policy, &all));
    }
    text.push_str(&table.print(markdown));

    let ours = Policy::Herdwick(Variant::Whole);
    let _ = writeln!(text, "\nHerdwick by load, fleet and pattern.\n");
    let mut table = head("of");
    let mut some = |name: String, test: &dyn Fn(&Cell) -> bool| {
        let chosen: Vec<&Measured<'_>> = measured.iter().filter(|one| test(one.cell)).collect();
        if !chosen.is_empty() {
            table.row(line(name, ours, &chosen));
        }
    };
    for load in LOADS {
        some(format!("{:.0} %", load * 100.0), &|cell| (cell.load - load).abs() < 1e-9);
    }
    for fleet in FleetKind::ALL {
        some(fleet.name().to_owned(), &|cell| cell.fleet == fleet);
    }
    for pattern in Pattern::ALL {
        some(pattern.name().to_owned(), &|cell| cell.pattern == pattern);
    }
    text.push_str(&table.print(markdown));
    text
}

fn reference(outcomes: &[Outcome]) -> Quality {
    let knowing =
        outcomes.iter().filter(|outcome| outcome.policy.is_knowing()).map(|outcome| outcome.quality);
    let sum = |quality: &Quality| quality.first.mean + quality.whole.mean;
    debug_assert!(outcomes.len() >= Style::ALL.len(), "a cell without a reference");
    knowing.min_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap_or_default()
}

fn head(of: &str) -> Table {
    Table::new(&[
        of,
        "first token: mean",
        "p50",
        "p95",
        "p99",
        "worst",
        "answer: mean",
        "p50",
        "p95",
        "p99",
        "loads per 1,000",
        "Jain",
        "cached",
        "without an answer, %",
    ])
}

fn line(name: String, policy: Policy, measured: &[&Measured<'_>]) -> Vec<String> {
    let pairs: Vec<(Quality, Quality)> = measured
        .iter()
        .filter_map(|one| {
            let outcome = one.outcomes.iter().find(|outcome| outcome.policy == policy)?;
            Some((outcome.quality, one.reference))
        })
        .collect();
    let ratio = |of: &dyn Fn(&Quality) -> f64| {
        // A reference that answers at once leaves nothing to divide by.
        let each = pairs.iter().map(|(ours, best)| of(ours).max(1e-3) / of(best).max(1e-3));
        short(geometric(each))
    };
    let mean = |of: &dyn Fn(&Quality) -> f64| {
        pairs.iter().map(|(ours, _)| of(ours)).sum::<f64>() / pairs.len().max(1) as f64
    };
    let times: [Figure; 9] = [
        (|quality| quality.first, |times| times.mean),
        (|quality| quality.first, |times| times.p50),
        (|quality| quality.first, |times| times.p95),
        (|quality| quality.first, |times| times.p99),
        (|quality| quality.first, |times| times.worst),
        (|quality| quality.whole, |times| times.mean),
        (|quality| quality.whole, |times| times.p50),
        (|quality| quality.whole, |times| times.p95),
        (|quality| quality.whole, |times| times.p99),
    ];
    let mut row = vec![name];
    row.extend(times.iter().map(|(which, what)| ratio(&|quality| what(&which(quality)))));
    row.push(format!("{:.1}", mean(&|quality| quality.loads)));
    row.push(format!("{:.2}", mean(&|quality| quality.jain)));
    row.push(format!("{:.2}", mean(&|quality| quality.cached)));
    row.push(format!("{:.2}", mean(&|quality| quality.failed * 100.0)));
    row
}

/// Three figures are enough.
pub(super) fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
