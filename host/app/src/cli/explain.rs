//! `herdwick explain`: why a request went where it went, as a table and in words.

use std::fmt::Write as _;

use herdwick_wire::admin::{CandidateView, DecisionView};

use crate::cli::print;
use crate::client::RouterArg;

/// Candidates that the table has room for.
const COLUMNS: usize = 6;

/// Options of `herdwick explain`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A request's id, from its x-request-id header, or `last`.
    #[arg(default_value = "last")]
    which: String,
    /// The same as JSON, with every reading.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    router: RouterArg,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let decision: DecisionView = self.router.get(&format!("/admin/v1/decisions/{}", self.which))?;
        if self.json { print::json(&decision) } else { print::text(&table(&decision)) }
    }
}

fn table(decision: &DecisionView) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "request  {}, {} ago", decision.request, print::ms(decision.age_ms as f64));
    let _ = writeln!(out, "model    {}", decision.model);
    let _ = writeln!(out, "why      {}", decision.why);
    let _ = writeln!(
        out,
        "made on  fleet generation {}, plugin set {}\n",
        decision.fleet_generation, decision.plugins_generation
    );
    let shown = decision.candidates.get(..decision.candidates.len().min(COLUMNS)).unwrap_or_default();
    let mut rows = vec![row("", shown, |candidate| candidate.node.clone())];
    rows.push(row("total", shown, |candidate| print::ms(candidate.total_ms)));
    for (index, signal) in decision.signals.iter().enumerate() {
        rows.push(row(signal, shown, |candidate| match candidate.terms.get(index) {
            Some(term) if term.abstained => format!("~{}", print::ms(term.ms)),
            Some(term) => print::ms(term.ms),
            None => String::new(),
        }));
    }
    out.push_str(&print::columns(&rows));
    if decision.candidates.len() > shown.len() {
        let _ =
            writeln!(out, "and {} more candidates (--json has all)", decision.candidates.len() - shown.len());
    }
    if shown.iter().flat_map(|candidate| &candidate.terms).any(|term| term.abstained) {
        out.push_str("~ no opinion; the median of the others stands in\n");
    }
    for candidate in shown {
        let _ = writeln!(out, "\n{} (model {})", candidate.node, candidate.model_state);
        let said = decision.signals.iter().zip(&candidate.terms).filter(|(_, term)| !term.words.is_empty());
        let said: Vec<_> =
            said.map(|(signal, term)| vec![format!("  {signal}"), term.words.clone()]).collect();
        out.push_str(&print::columns(&said));
    }
    for (title, lines) in [
        (
            "could not serve",
            decision.eliminated.iter().map(|e| (e.node.clone(), e.why.clone())).collect::<Vec<_>>(),
        ),
        ("misbehaved", decision.faults.iter().map(|f| (f.plugin.clone(), f.fault.clone())).collect()),
        ("in shadow mode", decision.shadows.iter().map(|s| (s.plugin.clone(), would(s.changes))).collect()),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{title}");
            let lines: Vec<_> = lines.into_iter().map(|(who, what)| vec![format!("  {who}"), what]).collect();
            out.push_str(&print::columns(&lines));
        }
    }
    out
}

fn would(changes: bool) -> String {
    if changes { "would have chosen another" } else { "would have chosen the same" }.to_owned()
}

fn row(head: &str, shown: &[CandidateView], cell: impl Fn(&CandidateView) -> String) -> Vec<String> {
    std::iter::once(head.to_owned()).chain(shown.iter().map(cell)).collect()
}
