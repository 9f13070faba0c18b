//! `herdwick plugins check`: whether a file would go live in a router, and what it would be there.

use std::path::PathBuf;
use std::time::Duration;

use herdwick_plugin_host::check;
use serde::Serialize;

use super::alone::{Alone, Settings};
use super::hostile;
use crate::cli::print;

/// Options of `herdwick plugins check`.
#[derive(clap::Args)]
pub(crate) struct Check {
    /// The plugin's component.
    file: PathBuf,
    /// The same as JSON.
    #[arg(long)]
    json: bool,
}

/// What was found; the names are stable.
#[derive(Serialize)]
struct Found {
    name: String,
    version: String,
    kind: &'static str,
    summary: String,
    file: String,
    bytes: usize,
    sha256: String,
    columns: Vec<&'static str>,
    words: Vec<&'static str>,
    wants_topology: bool,
    asks_veto: bool,
    replaces_built_in: bool,
    /// The slowest of the calls with hostile input.
    slowest_us: f64,
    slowest_asked: String,
    limit_ms: u64,
    goes_live: bool,
}

impl Check {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut plugin = Alone::load(&self.file, Settings::new())?;
        let (slowest, asked) = hostile::slowest(&mut plugin);
        let found = Found {
            name: plugin.status.id.as_str().to_owned(),
            version: plugin.status.version.clone(),
            kind: plugin.status.kind.name(),
            summary: plugin.status.summary.clone(),
            file: self.file.display().to_string(),
            bytes: plugin.bytes,
            sha256: plugin.status.digest.to_string(),
            columns: plugin.asks.columns.iter().flatten().copied().collect(),
            words: plugin.asks.words.clone(),
            wants_topology: plugin.asks.wants_topology,
            asks_veto: plugin.asks.may_veto,
            replaces_built_in: check::is_built_in(plugin.status.id.as_str()),
            slowest_us: us(slowest),
            slowest_asked: asked,
            limit_ms: hostile::budget(plugin.status.kind).ms,
            // Whatever would not has ended in an error.
            goes_live: true,
        };
        if self.json { print::json(&found) } else { print::text(&table(&found)) }
    }
}

fn table(found: &Found) -> String {
    let row = |head: &str, text: String| vec![head.to_owned(), text];
    let list = |names: &[&'static str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let vetoes = if found.asks_veto { "asks for the right; needs the grant \"veto\"" } else { "never" };
    let mut rows = vec![
        row("name", format!("{} {} ({})", found.name, found.version, found.kind)),
        row("summary", found.summary.clone()),
        row("file", format!("{}, {}", found.file, print::bytes(found.bytes as u64))),
        row("sha256", found.sha256.clone()),
        row("columns", list(&found.columns)),
        row("words", list(&found.words)),
        row("topology", if found.wants_topology { "wanted" } else { "not wanted" }.to_owned()),
        row("vetoes", vetoes.to_owned()),
        row(
            "slowest",
            format!("{:.1} µs of {} ms: {}", found.slowest_us, found.limit_ms, found.slowest_asked),
        ),
    ];
    if found.replaces_built_in {
        rows.push(row("replaces", "the built-in plugin of its name".to_owned()));
    }
    rows.push(row("verdict", "would go live".to_owned()));
    print::columns(&rows)
}

pub(super) fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
