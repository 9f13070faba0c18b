//! The `herdwick` binary: reads the command line, runs one command, says in three lines what went wrong.

mod admin;
mod assemble;
mod banner;
mod cli;
mod client;
mod config;
mod demo;
mod failed;
mod handles;
mod health;
mod logs;
mod reloader;
mod requests;
mod shutdown;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failed::print(&error);
            ExitCode::FAILURE
        }
    }
}
