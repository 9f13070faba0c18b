//! `herdwick nodes test`: asks the model servers of a machine what they are, as the router does, and says what to do
//! about one that is of no use.

use std::time::{Duration, Instant};

use herdwick_fleet::{BackendKind, Claim, Origin};
use herdwick_probe::{Depth, Probe, ProbeError};
use herdwick_wire::nodes::{ServerTestView, TestView};
use http::Method;

use super::{Ask, PATH, find};
use crate::cli::print;
use crate::client;
use crate::failed::Failed;

/// How long each answer may take. Model servers answer this at once, also while they load; the router is as patient.
const PATIENCE: Duration = Duration::from_secs(2);

/// As the router says it.
const NO_MODEL: &str = "it has no model";

/// Options of `herdwick nodes test`.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// A machine's name, or an address like http://192.168.1.20:11434, which need not be a machine of the fleet and needs
    /// no router.
    which: String,
    #[command(flatten)]
    ask: Ask,
}

/// What was found where somebody listens, or does not.
pub(crate) struct Found {
    origin: Origin,
    /// Why it is of no use.
    pub(crate) problem: Option<String>,
    view: ServerTestView,
}

impl Test {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let view = match address(&self.which) {
            Some(origin) => {
                let found = Found::at(&origin)?;
                TestView { name: origin.authority(), servers: vec![found.view] }
            }
            None => {
                let node = find::node(&self.ask.nodes()?, &self.which)?.clone();
                self.ask.router.ask(Method::POST, &format!("{PATH}/{}/test", node.name), None::<&()>)?
            }
        };
        if self.ask.json {
            print::json(&view)?;
        }
        let found: Vec<_> = view.servers.into_iter().filter_map(Found::of).collect();
        if found.is_empty() {
            let next = "start one there, or an agent that finds it: herdwick node";
            return Err(Failed::plainly(format!("no model server is known on {}", view.name), next));
        }
        if !self.ask.json {
            let good = found.iter().filter(|found| found.problem.is_none());
            print::text(&good.map(|found| found.line() + "\n").collect::<String>())?;
        }
        match found.iter().find(|found| found.problem.is_some()) {
            Some(bad) => Err(bad.error(&view.name)),
            None => Ok(()),
        }
    }
}

/// Whether somebody means an address: what has a scheme or a port is no name of a machine.
fn address(which: &str) -> Option<Origin> {
    let looks_so = which.contains("://") || which.contains(':');
    Origin::parse(which).ok().filter(|_| looks_so)
}

impl Found {
    /// Asks whoever listens there.
    pub(crate) fn at(origin: &Origin) -> anyhow::Result<Self> {
        let began = Instant::now();
        let answer = client::runtime()?.block_on(ask(origin));
        let round_trip_ms = began.elapsed().as_secs_f64() * 1e3;
        let mut view = ServerTestView {
            origin: origin.to_string(),
            kind: String::new(),
            reachable: true,
            problem: String::new(),
            version: String::new(),
            models: 0,
            resident: 0,
            round_trip_ms,
        };
        match answer {
            Ok(found) => {
                view.kind = found.kind.name().to_owned();
                view.version = found.version;
                (view.models, view.resident) = (found.models, found.resident);
                if view.models == 0 {
                    view.problem = NO_MODEL.to_owned();
                }
            }
            Err(error) => {
                view.reachable = !matches!(error, ProbeError::Timeout(_) | ProbeError::Connect(_));
                view.problem = error.to_string();
            }
        }
        let problem = Some(view.problem.clone()).filter(|problem| !problem.is_empty());
        Ok(Self { origin: origin.clone(), problem, view })
    }

    /// A router takes whoever it is told of for this kind.
    pub(crate) fn taken_for(mut self, kind: &str) -> Self {
        let found = self.view.kind.as_str();
        if !found.is_empty() && found != kind {
            self.problem = Some(format!("it is {found}, and is taken for {kind}"));
        }
        self
    }

    /// What a router found. `None` for an address that makes no sense.
    fn of(view: ServerTestView) -> Option<Self> {
        let origin = Origin::parse(&view.origin).ok()?;
        let silent = (!view.reachable).then(|| "it does not answer".to_owned());
        let problem = Some(view.problem.clone()).filter(|problem| !problem.is_empty()).or(silent);
        Some(Self { origin, problem, view })
    }

    /// What it is, in a line.
    fn line(&self) -> String {
        format!("{}: {}, in {}", self.origin.authority(), self.words(), print::ms(self.view.round_trip_ms))
    }

    /// `ollama 0.12.6 answers, 12 models, 2 of them in memory`.
    pub(crate) fn words(&self) -> String {
        let ServerTestView { kind, version, models, resident, .. } = &self.view;
        let program = format!("{kind} {version}");
        let models = match models {
            1 => "1 model".to_owned(),
            count => format!("{count} models"),
        };
        let resident = if *resident > 0 { format!(", {resident} in memory") } else { String::new() };
        format!("{} answers, {models}{resident}", program.trim_end())
    }

    fn error(&self, name: &str) -> anyhow::Error {
        let at = self.origin.authority();
        let what =
            if at == name { format!("{at} is of no use") } else { format!("{name} is of no use at {at}") };
        let why = self.problem.clone().unwrap_or_default();
        Failed::because(anyhow::anyhow!(why), what, self.next())
    }

    /// What to do about it.
    pub(crate) fn next(&self) -> String {
        let problem = self.problem.as_deref().unwrap_or_default();
        let says = |words: &str| problem.contains(words);
        let Origin { host, port } = &self.origin;
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if says("nothing listens") {
            let ollama = if is_here { "ollama serve" } else { "OLLAMA_HOST=0.0.0.0 ollama serve" };
            return format!("start it there: {ollama}; or name the port on which it listens");
        }
        if says("no answer within") || says("cannot be reached") {
            return format!(
                "see whether the machine is on and no firewall drops port {port}: herdwick doctor"
            );
        }
        if says("name is not known") {
            return "mend the name, or write the address, like http://192.168.1.20:11434".to_owned();
        }
        if problem == NO_MODEL {
            return "have it fetch one, on that machine: ollama pull llama3.2".to_owned();
        }
        if says("taken for") {
            return "run an agent on that machine, which tells what it is: herdwick node".to_owned();
        }
        if says("Herdwick router") {
            return "name the machines behind it instead; a router is no model server".to_owned();
        }
        if says("wants a key") {
            return "let it answer without a key on this network; keys are not sent yet".to_owned();
        }
        if says("loads its model") {
            return "wait until it has loaded, and test again".to_owned();
        }
        format!("name the port of a model server; Ollama's is {}", Origin::DEFAULT_PORT)
    }
}

/// What a server is and holds.
struct Answer {
    kind: BackendKind,
    version: String,
    models: usize,
    resident: usize,
}

async fn ask(origin: &Origin) -> Result<Answer, ProbeError> {
    let probe = Probe::new(origin.clone(), PATIENCE);
    let found = probe.identify().await?;
    let facts = probe.look(found.kind, Depth::All).await?;
    let mut answer = Answer { kind: found.kind, version: found.version, models: 0, resident: 0 };
    for claim in facts.claims {
        match claim {
            Claim::Models(models) => answer.models = models.len(),
            Claim::Resident(resident) => answer.resident = resident.len(),
            Claim::Version(version) if !version.is_empty() => answer.version = version,
            _ => {}
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(origin: &str, problem: &str) -> Found {
        let view = ServerTestView {
            origin: origin.to_owned(),
            kind: "ollama".to_owned(),
            reachable: problem.is_empty(),
            problem: problem.to_owned(),
            version: "0.12.6".to_owned(),
            models: 12,
            resident: 2,
            round_trip_ms: 3.0,
        };
        Found::of(view).expect("an address")
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (which, is_address) in [
            ("studio", false),
            ("studio.local", false),
            ("http://studio", true),
            ("studio:11434", true),
            ("[fe80::1]:11434", true),
            ("https://studio", false),
        ] {
            assert_eq!(address(which).is_some(), is_address, "{which}");
        }
    }

    #[test]
    fn a_good_server_is_told_in_a_line_and_a_bad_one_with_what_to_do() {
        assert_eq!(
            found("http://10.0.0.5:11434", "").line(),
            "10.0.0.5:11434: ollama 0.12.6 answers, 12 models, 2 in memory, in 3 ms"
        );
        let other = found("http://10.0.0.5:1", "").taken_for("vllm");
        assert_eq!(other.problem.as_deref(), Some("it is ollama, and is taken for vllm"));
        assert!(other.next().contains("herdwick node"));
        for (origin, problem, next) in [
            ("http://127.0.0.1:1", "nothing listens there", "start it there: ollama serve;"),
            (
                "http://10.0.0.5:1",
                "nothing listens there",
                "start it there: OLLAMA_HOST=0.0.0.0 ollama serve;",
            ),
            ("http://10.0.0.5:1", "no answer within 2 s", "firewall drops port 1"),
            ("http://nobody:1", "its name is not known here", "mend the name"),
            ("http://10.0.0.5:1", "it is no model server that is known here", "Ollama's is 11434"),
            (
                "http://10.0.0.5:1",
                "it is a Herdwick router, not a model server",
                "name the machines behind it",
            ),
        ] {
            let found = found(origin, problem);
            assert!(found.next().contains(next), "{problem}: {}", found.next());
            assert_eq!(
                found.error("studio").to_string(),
                format!("studio is of no use at {}", found.origin.authority())
            );
        }
    }
}
