//! `herdwick health`: what is wrong with the fleet, and what to do about it.

use std::fmt::Write as _;

use herdwick_wire::admin::FindingView;

use crate::cli::print;
use crate::client::RouterArg;

/// Options of `herdwick health`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The same as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    router: RouterArg,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let findings: Vec<FindingView> = self.router.get("/admin/v1/health")?;
        if self.json {
            return print::json(&findings);
        }
        if findings.is_empty() {
            return print::text("nothing is wrong\n");
        }
        print::text(&findings.iter().map(finding).collect::<Vec<_>>().join("\n"))
    }
}

fn finding(finding: &FindingView) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}: {} (for {} s)", finding.severity, finding.title, finding.since_s);
    let _ = writeln!(out, "  {}", finding.detail);
    let _ = writeln!(out, "  next: {}", finding.advice);
    if let Some(command) = &finding.command {
        let _ = writeln!(out, "        {command}");
    }
    out
}
