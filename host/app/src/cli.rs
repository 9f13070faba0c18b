//! The command line: `herdwick` alone serves; everything else is a subcommand.

mod ask;
mod config;
mod explain;
mod health;
mod places;
mod plugins;
pub(crate) mod print;
mod serve;
mod status;
pub(crate) mod terminal;

use clap::{Parser, Subcommand};

use crate::assemble;
use crate::config::Env;
use crate::failed::Failed;

/// The hidden subcommand that compiles one plugin.
pub(crate) const COMPILE_PLUGIN: &str = "compile-plugin";

/// One smart endpoint in front of many machines that run local models.
#[derive(Parser)]
#[command(name = "herdwick", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients (the default).
    Serve(serve::Args),
    /// What is going on: requests, nodes, models, plugins.
    Status(status::Args),
    /// Ask a model through the router, and see where it ran.
    Try(ask::Args),
    /// Why a request went where it went.
    Explain(explain::Args),
    /// What is wrong with the fleet, and what to do about it.
    Health(health::Args),
    /// What plugins run, and how they fare.
    #[command(subcommand)]
    Plugins(plugins::Command),
    /// Begin, check, look at and undo what is configured.
    #[command(mut_args(|arg| arg.global(true)))]
    Config(config::Args),
    /// Compiles one plugin from standard input: the router runs this for large ones, in a process with limits.
    #[command(name = COMPILE_PLUGIN, hide = true)]
    CompilePlugin,
    /// Run a simulated model server, for trying things out without a model.
    Fakenode(fakenode::Cli),
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Status(args) => args.run(),
            Command::Try(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Health(args) => args.run(),
            Command::Plugins(command) => command.run(),
            Command::Serve(args) => assemble::serve(args.settings(&Env::of_process())?),
            Command::Config(args) => args.run(&Env::of_process()),
            Command::CompilePlugin => {
                herdwick_plugin_host::compile_in_child_main(std::io::stdin().lock(), std::io::stdout())
                    .map_err(|error| {
                        Failed::because(error, "the plugin cannot be compiled", "build it again")
                    })
            }
            Command::Fakenode(args) => fakenode::run(args).map_err(|error| {
                Failed::because(error, "the simulated node cannot run", "see `herdwick fakenode --help`")
            }),
        }
    }
}
