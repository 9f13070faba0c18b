//! `herdwick plugins`: what runs, how it fares, looking again; and writing one's own, from a first crate to a
//! component that was tried.

mod alone;
mod build;
mod case;
mod check;
mod folder;
mod hostile;
mod new;
mod switch;
mod template;
mod test;

use clap::Subcommand;
use herdwick_wire::admin::{PluginView, PluginsView};

use crate::cli::print;
use crate::client::Ask;

/// Subcommands of `herdwick plugins`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show every plugin: state, calls, times, faults.
    List(Ask),
    /// Look at the plugin folder and the configuration now.
    Reload(Ask),
    /// Switch a plugin on.
    Enable(switch::Switch),
    /// Switch a plugin off.
    Disable(switch::Switch),
    /// Go back to the version of a plugin before the live one, until its file changes.
    Rollback(switch::Rollback),
    /// Begin a plugin: write a small one that is complete.
    New(new::New),
    /// Make the component of a plugin in Rust.
    Build(build::Build),
    /// Tell whether a component would go live, and what it would be.
    Check(check::Check),
    /// Run a component's golden cases and hostile input in the real sandbox.
    Test(test::Test),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::List(ask) => show(ask, &ask.router.get("/admin/v1/plugins")?),
            Self::Reload(ask) => show(ask, &ask.router.post("/admin/v1/plugins/reload")?),
            Self::Enable(args) => args.run(true),
            Self::Disable(args) => args.run(false),
            Self::Rollback(args) => args.run(),
            Self::New(args) => args.run(),
            Self::Build(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Test(args) => args.run(),
        }
    }
}

fn show(ask: &Ask, plugins: &PluginsView) -> anyhow::Result<()> {
    if ask.json {
        return print::json(plugins);
    }
    let head = [
        "NAME", "KIND", "VERSION", "STATE", "MODE", "WEIGHT", "CALLS", "FAULTS", "P50", "P99", "SOURCE",
        "NOTE",
    ];
    let head = head.map(str::to_owned).to_vec();
    let rows = std::iter::once(head).chain(plugins.plugins.iter().map(row));
    print::table(&rows.collect::<Vec<_>>())?;
    let problems = plugins.problems.iter().map(|problem| format!("problem: {problem}\n"));
    print::text(&problems.collect::<String>())
}

fn row(plugin: &PluginView) -> Vec<String> {
    let us = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1} µs"));
    let note = match plugin.shadow {
        Some(shadow) => format!("would have changed {} of {}", shadow.changed, shadow.asked),
        None => plugin.why.clone(),
    };
    vec![
        plugin.name.clone(),
        plugin.kind.clone(),
        plugin.version.clone(),
        plugin.state.clone(),
        plugin.mode.clone(),
        plugin.weight.to_string(),
        plugin.calls.to_string(),
        plugin.faults.to_string(),
        us(plugin.p50_us),
        us(plugin.p99_us),
        plugin.source.clone(),
        note,
    ]
}
