//! `cargo xtask`: the command line of the developer tasks; it parses arguments and calls the library.

#![allow(clippy::print_stderr, reason = "a developer task reports to the terminal it was started from")]

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use xtask::{fuzz, nightly, plugins, simulate, workspace::Workspace};

/// Developer tasks of Herdwick.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the built-in plugins into plugins/prebuilt.
    ///
    /// Uses the rustup target wasm32-unknown-unknown where it is installed, else a compiler with the sources
    /// of its standard library (Debian: rustc-web and rust-web-src).
    Plugins {
        /// Folder names of the plugins to build; all of them when none is given.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Write nothing: build, compare with what is committed, and fail on a difference.
        #[arg(long)]
        check: bool,
    },
    /// Run the fuzz targets of tests/fuzz.
    ///
    /// Needs cargo-fuzz and a C++ compiler; any toolchain will do.
    Fuzz {
        /// Names of the targets to run; all of them when none is given.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How long each target runs.
        #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
    },
    /// Put routers, agents and a real Ollama Herd on networks of their own, and see that they find each other.
    ///
    /// Needs Linux, root and `ip` (iproute2); for Ollama Herd also python3 with venv and its registry. Networks are
    /// namespaces without a way out, and gone when it ends.
    Nettest {
        /// Parts of the titles of the cases to run; all of them when none is given.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Run the router's dispatch on made-up machines in made-up time; `quality` measures how well it routes.
    ///
    /// `cargo xtask simulate --help` tells all it takes.
    #[command(disable_help_flag = true)]
    Simulate {
        /// What the simulator is given.
        #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run for an hour or so what would make every change wait too long.
    Nightly,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes in one go; a backtrace of a developer task helps nobody.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let here = env::current_dir().context("cannot tell the current folder")?;
    let workspace = Workspace::containing(&here)?;
    match task {
        Task::Plugins { names, check: false } => plugins::build(&workspace, &names),
        Task::Plugins { names, check: true } => plugins::check(&workspace, &names),
        Task::Fuzz { names, seconds } => fuzz::run(&workspace, &names, seconds),
        #[cfg(target_os = "linux")]
        Task::Nettest { names } => xtask::nettest::run(&workspace, &names),
        #[cfg(not(target_os = "linux"))]
        Task::Nettest { .. } => {
            anyhow::bail!("networks of one's own are made of Linux's namespaces; run it there")
        }
        Task::Simulate { arguments } => simulate::run(&workspace, &arguments),
        Task::Nightly => nightly::run(&workspace),
    }
}
