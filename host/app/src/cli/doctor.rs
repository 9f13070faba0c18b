//! `herdwick doctor`: what is wrong on this machine and between it and the others, with what to type.

use std::process::ExitCode;
use std::time::Instant;

use super::places::Places;
use super::print;
use super::terminal::Terminal;
use crate::client::{self, RouterArg};
use crate::config::{Env, Flags};
use crate::doctor::line::Verdict;
use crate::doctor::show::Report;
use crate::doctor::{self, Asked};

/// Something is broken.
const PROBLEMS: u8 = 1;

/// Options of `herdwick doctor`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The same as JSON.
    #[arg(long)]
    json: bool,
    /// Look at this machine alone: send nothing to others.
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    router: RouterArg,
    #[command(flatten)]
    places: Places,
}

impl Args {
    /// Looks, prints, and says whether something is broken.
    pub(crate) fn run(self, env: &Env) -> anyhow::Result<ExitCode> {
        let began = Instant::now();
        let asked = Asked {
            router: self.router.named()?,
            flags: Flags { named: self.places.named(), ..Flags::default() },
            env: env.clone(),
            local: self.local,
        };
        let runtime = client::runtime()?;
        let examined = runtime.block_on(doctor::examine(&asked));
        // A name that the system still looks up must not hold up the answer.
        runtime.shutdown_background();
        let report = Report::new(&examined.roles, &examined.lines, began.elapsed());
        if self.json { print::json(&report) } else { print::text(&report.text(Terminal::stdout())) }?;
        let broken = examined.lines.iter().any(|line| line.verdict == Verdict::Problem);
        Ok(if broken { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
    }
}
