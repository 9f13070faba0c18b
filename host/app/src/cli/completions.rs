//! `herdwick completions`: what a shell needs to complete commands and options.

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::cli::{Cli, print};

/// What is completed.
const NAME: &str = "herdwick";

/// Options of `herdwick completions`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whose script.
    shell: Shell,
}

impl Args {
    /// Prints the script.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let all = Cli::command();
        // What the program runs for itself is nothing to complete, and clap_complete would offer it.
        let mut command = Command::new(NAME)
            .version(env!("CARGO_PKG_VERSION"))
            .args(all.get_arguments().cloned())
            .subcommands(all.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned());
        let mut script = Vec::new();
        generate(self.shell, &mut command, NAME, &mut script);
        print::text(&String::from_utf8_lossy(&script))
    }
}
