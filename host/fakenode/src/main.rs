//! The `fakenode` binary: nothing but the command line around the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// A scripted model server with Ollama's semantics.
#[derive(Parser)]
#[command(name = "fakenode", version)]
struct Main {
    #[command(flatten)]
    cli: fakenode::Cli,
}

fn main() -> ExitCode {
    match fakenode::run(Main::parse().cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even standard error is closed.
            let _ = writeln!(std::io::stderr(), "fakenode: {error}");
            ExitCode::from(2)
        }
    }
}
