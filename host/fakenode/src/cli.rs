//! The command line, which `herdwick fakenode` embeds as it is.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::kind::Kind;
use crate::serve::serve;
use crate::spec::NodeSpec;

mod model_arg;

/// Arguments of a node on the command line.
#[derive(clap::Args, Clone, Debug)]
pub struct Cli {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub listen: String,
    /// What the node is called in the line it prints.
    #[arg(long, default_value = "fakenode")]
    pub name: String,
    /// Which program it plays: ollama, llama.cpp, vllm, lm-studio or mlx.
    #[arg(long, default_value = "ollama", value_parser = kind)]
    pub kind: Kind,
    /// Requests one loaded model answers at once (OLLAMA_NUM_PARALLEL).
    #[arg(long, default_value_t = 1)]
    pub slots: u32,
    /// Models in memory at once (OLLAMA_MAX_LOADED_MODELS).
    #[arg(long, default_value_t = 3, value_name = "MODELS")]
    pub max_loaded: u32,
    /// Seed of the answer text.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What it says its version is.
    #[arg(long, default_value = "0.12.6", value_name = "VERSION")]
    pub ollama_version: String,
    /// A model, as in llama3.2:3b,resident,load=2s,first_token=100ms,token=20ms,tokens=40,bytes=2GB. Further
    /// keys: prefill=1500 (tokens of the prompt per second) context=4096 family=llama parameter_size=3.2B quantization=Q4_K_M capabilities=completion+tools.
    /// May be repeated; without any there is one resident llama3.2:3b.
    #[arg(long = "model", value_name = "SPEC")]
    pub models: Vec<String>,
}

/// Why the command line cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments are wrong; one line each, with cause and next step.
    #[error("{}", .0.join("\n"))]
    Arguments(Vec<String>),
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}; choose another --listen, port 0 takes a free one")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The node could not go on.
    #[error("cannot {doing}: {source}")]
    System {
        /// What failed.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Cli {
    /// Checks everything.
    ///
    /// # Errors
    ///
    /// [`CliError::Arguments`] with all problems at once.
    pub fn spec(&self) -> Result<NodeSpec, CliError> {
        self.checked().map(|(_, spec)| spec)
    }

    fn checked(&self) -> Result<(SocketAddr, NodeSpec), CliError> {
        let mut problems = Vec::new();
        let address = self.listen.parse::<SocketAddr>().map_err(|_| {
            problems
                .push(format!("--listen {}: not an address; write one like 127.0.0.1:11434", self.listen));
        });
        for (flag, value) in [("--slots", self.slots), ("--max-loaded", self.max_loaded)] {
            if value == 0 {
                problems.push(format!("{flag} 0: nothing could ever run; use 1 or more"));
            }
        }
        let mut spec = NodeSpec::new(&self.name)
            .kind(self.kind)
            .version(&self.ollama_version)
            .slots(self.slots)
            .max_loaded(self.max_loaded)
            .seed(self.seed);
        let default = ["llama3.2:3b,resident".to_owned()];
        for text in if self.models.is_empty() { &default[..] } else { &self.models[..] } {
            match model_arg::read(text) {
                Ok(model) => spec.models.push(model),
                Err(more) => problems.extend(more),
            }
        }
        problems.extend(contradictions(&spec));
        match address {
            Ok(address) if problems.is_empty() => Ok((address, spec)),
            _ => Err(CliError::Arguments(problems)),
        }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::name).join(", ");
    Kind::from_name(name).ok_or_else(|| format!("it takes one of {}", known()))
}

/// What only shows when all models are known.
fn contradictions(spec: &NodeSpec) -> Vec<String> {
    let mut problems = Vec::new();
    let resident = spec.models.iter().filter(|model| model.resident).count();
    if resident > spec.max_loaded as usize {
        problems.push(format!(
            "{resident} models are resident, but --max-loaded is {}; raise it or make fewer resident",
            spec.max_loaded
        ));
    }
    let mut seen = std::collections::BTreeSet::new();
    for model in &spec.models {
        let twice = crate::names::canonical(&model.name).is_ok_and(|name| !seen.insert(name));
        if twice {
            problems.push(format!("--model {}: named twice; leave one out", model.name));
        }
    }
    problems
}

/// Serves until SIGTERM or SIGINT, on a runtime of its own: never call it from within another one. Prints
/// `fakenode NAME listening on http://ADDRESS:PORT` once it accepts.
///
/// # Errors
///
/// When the arguments are wrong, or the system refuses the address.
pub fn run(cli: Cli) -> Result<(), CliError> {
    let (address, spec) = cli.checked()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::System { doing: "start a runtime", source })?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(address).await.map_err(|source| CliError::Listen { address, source })?;
        let stop =
            stop_signal().map_err(|source| CliError::System { doing: "listen for signals", source })?;
        announce(&spec.name, &listener)
            .map_err(|source| CliError::System { doing: "print where it listens", source })?;
        serve(listener, spec, stop).await.map_err(|source| CliError::System { doing: "serve", source })
    })
}

/// Whoever started us reads this line to learn the port, so it must not stay in a buffer.
fn announce(name: &str, listener: &TcpListener) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "fakenode {name} listening on http://{}", listener.local_addr()?)?;
    out.flush()
}

/// The handlers are installed at once, the future resolves at the first signal.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Only Ctrl-C exists everywhere.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the signal there is nothing but being killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::{Cli, CliError};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        cli: Cli,
    }

    fn line(arguments: &str) -> Cli {
        Line::parse_from(std::iter::once("fakenode").chain(arguments.split(' ').filter(|a| !a.is_empty())))
            .cli
    }

    #[test]
    fn a_full_line_is_read() {
        let spec = line(
            "--name studio --slots 2 --model llama3.2:3b,resident,load=2s,first_token=100ms,prefill=1500,token=1.5ms,tokens=40,bytes=2GB --model b",
        )
        .spec()
        .expect("a spec");
        let model = &spec.models[0];
        assert_eq!((spec.name.as_str(), spec.slots, spec.models.len()), ("studio", 2, 2));
        assert_eq!((model.bytes, model.tokens, model.resident), (2_000_000_000, 40, true));
        assert_eq!((model.load, model.token), (Duration::from_secs(2), Duration::from_micros(1500)));
        assert!((model.prefill - 1_500.0).abs() < f64::EPSILON);
        assert_eq!(line("").spec().expect("the default").models.len(), 1);
    }

    #[test]
    fn all_problems_come_at_once() {
        let bad = "--listen here --slots 0 --max-loaded 1 --model a,load=soon,prefill=0,colour=red --model b,resident --model B,resident";
        let Err(CliError::Arguments(problems)) = line(bad).spec() else { panic!("it was accepted") };
        for part in
            ["--listen here", "--slots 0", "load=soon", "prefill=0", "colour", "are resident", "named twice"]
        {
            assert!(
                problems.iter().any(|problem| problem.contains(part)),
                "{part} is missing in {problems:#?}"
            );
        }
        assert!(
            problems.iter().all(|problem| problem.contains("; ")),
            "every problem has a next step: {problems:#?}"
        );
    }
}
