//! The command line: `herdwick` alone serves; everything else is a subcommand.

mod ask;
mod bench;
mod completions;
mod config;
mod doctor;
mod examples;
mod explain;
mod health;
mod learned;
mod models;
mod node;
mod nodes;
mod places;
mod plugins;
pub(crate) mod print;
mod rates;
mod serve;
mod service;
mod status;
pub(crate) mod terminal;
mod usage;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::assemble;
use crate::config::Env;
use crate::failed::{self, Failed};

/// The hidden subcommand that compiles one plugin.
pub(crate) const COMPILE_PLUGIN: &str = "compile-plugin";

/// As of a command line that cannot be understood: nothing was done.
const UNABLE: u8 = 2;

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
    /// Report this machine and its model servers to a router.
    Node(node::Args),
    /// Show what is going on: requests, nodes, models, plugins.
    Status(status::Args),
    /// Ask a model through the router, and see where it ran.
    Try(ask::Args),
    /// Tell why a request went where it went.
    Explain(explain::Args),
    /// Tell what is wrong with the fleet, and what to do about it.
    Health(health::Args),
    /// Find out what is wrong on this machine and between it and the others.
    Doctor(doctor::Args),
    /// Have a router or an agent run from now on, as a service of the system.
    #[command(subcommand)]
    Service(service::Command),
    /// Look after the machines: list, add, drain, test and forget them.
    #[command(subcommand)]
    Nodes(nodes::Command),
    /// Look after models: where each is and how fast it is there; have them loaded, let go of and kept in memory.
    #[command(subcommand)]
    Models(models::Command),
    /// Measure on purpose how fast machines are, so that routing knows it at once.
    Bench(bench::Args),
    /// Look after what the router learned.
    #[command(subcommand)]
    Learned(learned::Command),
    /// Look after plugins: list, switch, write and test them.
    #[command(subcommand)]
    Plugins(plugins::Command),
    /// Begin, check, show and undo what is configured.
    #[command(mut_args(|arg| arg.global(true)))]
    Config(config::Args),
    /// Print a script that has a shell complete commands.
    Completions(completions::Args),
    /// Compiles one plugin from standard input: the router runs this for large ones, in a process with limits.
    #[command(name = COMPILE_PLUGIN, hide = true)]
    CompilePlugin,
    /// Run a simulated model server, to try things without a model.
    Fakenode(fakenode::Cli),
}

/// A command line that is not run.
pub(crate) enum Stop {
    /// Help or the version, which is printed, was asked for.
    Told,
    /// It cannot be understood, or lacks something; why, unless help was printed instead.
    Mistake(Option<anyhow::Error>),
}

impl Cli {
    /// Reads the program's arguments.
    pub(crate) fn read() -> Result<Self, Stop> {
        let root = examples::with(Self::command());
        let read = root.clone().try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        read.map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // Without an output there is nobody to tell.
                let _ = error.print();
                Stop::Told
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let _ = error.print();
                Stop::Mistake(None)
            }
            _ => {
                let args = std::env::args_os().skip(1);
                let args: Vec<_> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
                Stop::Mistake(Some(usage::told(&error, &root, &args)))
            }
        })
    }

    /// Runs the command to its end. Only some say more than that it went well.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let told = match self.command.unwrap_or(Command::Serve(self.serve)) {
            // Scripts tell by the code whether it found something or could not look.
            Command::Doctor(args) => return args.run(&Env::of_process()).or_else(unable),
            Command::Node(args) => args.run(&Env::of_process()),
            Command::Status(args) => args.run(),
            Command::Try(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Health(args) => args.run(),
            Command::Service(command) => command.run(&Env::of_process()),
            Command::Nodes(command) => command.run(),
            Command::Models(command) => command.run(),
            Command::Bench(args) => args.run(),
            Command::Learned(command) => command.run(),
            Command::Plugins(command) => command.run(),
            Command::Serve(args) => assemble::serve(args.settings(&Env::of_process())?),
            Command::Config(args) => args.run(&Env::of_process()),
            Command::Completions(args) => args.run(),
            Command::CompilePlugin => {
                herdwick_plugin_host::compile_in_child_main(std::io::stdin().lock(), std::io::stdout())
                    .map_err(|error| {
                        Failed::because(error, "the plugin cannot be compiled", "build it again")
                    })
            }
            Command::Fakenode(args) => fakenode::run(args).map_err(|error| {
                Failed::because(error, "the simulated node cannot run", "see `herdwick fakenode --help`")
            }),
        };
        told.map(|()| ExitCode::SUCCESS)
    }
}

/// A command whose failure means something else than that it found nothing good.
fn unable(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    failed::print(&error);
    Ok(ExitCode::from(UNABLE))
}
