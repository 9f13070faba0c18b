//! The `herdwick` binary: reads the command line, runs one command, says in three lines what went wrong.

mod admin;
mod assemble;
mod banner;
mod cli;
mod client;
mod config;
mod demo;
mod doctor;
mod failed;
mod handles;
mod health;
mod identity;
mod lan;
mod logs;
mod machine;
mod memory;
mod reloader;
mod requests;
mod service;
mod shutdown;
mod week;

use std::process::ExitCode;

use cli::{Cli, Stop};

/// As shells and their tools expect it of a command line that cannot be understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(Stop::Told) => return ExitCode::SUCCESS,
        Err(Stop::Mistake(error)) => {
            error.iter().for_each(failed::print);
            return ExitCode::from(USAGE);
        }
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            failed::print(&error);
            ExitCode::FAILURE
        }
    }
}
