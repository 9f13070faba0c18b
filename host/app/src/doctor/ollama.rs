//! The Ollama on this machine: does it answer, is it new enough, and who besides this machine can reach it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use herdwick_fleet::Origin;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ask::{self, Answer, Silence};
use super::line::Line;

/// What the check is called.
const CHECK: &str = "ollama";
/// What tells its version, without work.
const VERSION: &str = "/api/version";
/// The last minor version that lacks what later ones tell of their models and loads; one that is not newer is flagged.
const OLD: (u32, u32) = (0, 16);
/// An address of this machine is connected to at once, or not at all.
const OWN: Duration = Duration::from_millis(300);
/// Addresses of this machine that are tried: one that answers is enough.
const MOST: usize = 8;

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) origin: Origin,
    /// What `/api/version` answers.
    pub(crate) answer: Result<Answer, Silence>,
    /// Addresses of this machine besides its loopback, and whether the port is open there.
    pub(crate) own: Vec<(IpAddr, bool)>,
    /// The program is here.
    pub(crate) installed: bool,
}

/// What this machine needs its Ollama for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// An agent runs or ran here: it tells routers of what it finds, and forwards.
    Agent,
    /// The router here has no other machine.
    OnlyNode,
    /// The router here has others beside it.
    OneOfSeveral,
    /// Nobody here asks it.
    None,
}

/// Looks at it, first where it was said to be. `own` are the machine's addresses that others reach.
pub(crate) async fn look(said: Origin, own: Vec<IpAddr>, installed: bool) -> Seen {
    let usual = Origin { host: Ipv4Addr::LOCALHOST.to_string(), port: Origin::DEFAULT_PORT };
    let (first, second) = tokio::join!(ask::get(&said, VERSION), ask::get(&usual, VERSION));
    let (origin, answer) = if first.is_err() && second.is_ok() { (usual, second) } else { (said, first) };
    let mut open = Vec::new();
    if answer.is_ok() {
        for address in own.into_iter().take(MOST) {
            let connected = timeout(OWN, TcpStream::connect(SocketAddr::new(address, origin.port))).await;
            open.push((address, matches!(connected, Ok(Ok(_)))));
        }
    }
    Seen { origin, answer, own: open, installed }
}

pub(crate) fn judge(seen: &Seen, need: Need) -> Vec<Line> {
    let at = seen.origin.authority();
    match &seen.answer {
        Err(silence) => vec![absent(seen, silence, need)],
        Ok(answer) if answer.is_router => vec![
            Line::note(CHECK, format!("a router of ours answers at {at}, where Ollama usually is"))
                .cause("then an Ollama on this machine has another port")
                .fix("name it in herdwick.toml ([[nodes]]), or with OLLAMA_HOST"),
        ],
        Ok(answer) => match version(answer) {
            None => vec![
                Line::problem(CHECK, format!("what answers at {at} is no Ollama"))
                    .cause(format!("/api/version answers {}, without a version", answer.status))
                    .fix("end it, or name your model server in herdwick.toml ([[nodes]])"),
            ],
            Some(version) => vec![age(&at, &version), reach(seen, need)],
        },
    }
}

/// What it calls its version.
fn version(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let said: Version = serde_json::from_slice(&answer.body).ok()?;
    (answer.status == 200).then_some(said.version)
}

fn age(at: &str, version: &str) -> Line {
    let numbers = || {
        let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let upgrade = if cfg!(target_os = "linux") {
        "curl -fsSL https://ollama.com/install.sh | sh"
    } else {
        "ollama --version   # and https://ollama.com/download has the newest"
    };
    match numbers() {
        Some(numbers) if numbers > OLD => Line::good(CHECK, format!("version {version} answers at {at}")),
        Some((0, 0)) | None => {
            Line::note(CHECK, format!("answers at {at}, and calls its version {version:?}"))
                .cause("a build of your own, whose age nobody can tell")
                .fix(format!("if it is not newer than {}.{}, take a newer one", OLD.0, OLD.1))
        }
        Some(_) => Line::note(CHECK, format!("version {version} at {at} is old"))
            .cause(format!(
                "up to {}.{} it tells less of its models than the router wants to know",
                OLD.0, OLD.1
            ))
            .fix("take a newer one:")
            .command(upgrade),
    }
}

/// Who can reach it.
fn reach(seen: &Seen, need: Need) -> Line {
    const CHECK: &str = "ollama's door";
    let port = seen.origin.port;
    let open: Vec<String> =
        seen.own.iter().filter(|(_, open)| *open).map(|(address, _)| address.to_string()).collect();
    if seen.own.is_empty() {
        return Line::good(CHECK, "this machine has no address that others could reach");
    }
    if !open.is_empty() {
        return Line::good(
            CHECK,
            format!(
                "port {port} is open at {}: other machines reach it, past the router too",
                open.join(", ")
            ),
        );
    }
    let found = "it listens on loopback only: no other machine reaches it";
    match need {
        Need::Agent => {
            Line::good(CHECK, format!("{found}, and `herdwick node` forwards to it for its router"))
        }
        Need::OnlyNode | Need::OneOfSeveral => {
            Line::good(CHECK, format!("{found}, and the router here is on this one"))
        }
        Need::None => {
            let line = Line::note(CHECK, found)
                .cause("a router on another machine cannot send it anything")
                .fix(
                    "run the agent here, which forwards to it for its router alone; or open it to everybody:",
                )
                .command("herdwick node");
            line.command(if cfg!(target_os = "linux") {
                "sudo systemctl edit ollama   # [Service] Environment=OLLAMA_HOST=0.0.0.0"
            } else if cfg!(target_os = "macos") {
                "launchctl setenv OLLAMA_HOST 0.0.0.0   # then start Ollama anew"
            } else {
                "setx OLLAMA_HOST 0.0.0.0   # then start Ollama anew"
            })
        }
    }
}

fn absent(seen: &Seen, silence: &Silence, need: Need) -> Line {
    let at = seen.origin.authority();
    let found = format!("no Ollama answers at {at}");
    let line = match need {
        Need::None => Line::note(CHECK, found).cause(silence.to_string()),
        Need::OneOfSeveral => Line::note(CHECK, found).cause(format!("{silence}; the router has others")),
        Need::OnlyNode => Line::problem(CHECK, found)
            .cause(format!("{silence}, and no other machine is known to the router")),
        Need::Agent => {
            Line::problem(CHECK, found).cause(format!("{silence}, so that this machine serves nothing"))
        }
    };
    let line = match (silence, seen.installed) {
        (Silence::Refused, true) => line.fix("start it:").command("ollama serve"),
        (Silence::Refused, false) => line
            .fix("install it (https://ollama.com/download), or if it has another port, say so:")
            .command("OLLAMA_HOST=127.0.0.1:PORT herdwick doctor"),
        _ => line
            .fix("start it anew; if it has another address, say so:")
            .command("OLLAMA_HOST=127.0.0.1:PORT herdwick doctor"),
    };
    if need == Need::OnlyNode { line.command("herdwick --node http://HOST:11434") } else { line }
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    fn seen(body: &'static str, own: &[(&str, bool)]) -> Seen {
        Seen {
            origin: Origin { host: "127.0.0.1".to_owned(), port: 11_434 },
            answer: Ok(Answer { status: 200, body: body.into(), ..Answer::default() }),
            own: own.iter().map(|(address, open)| (address.parse().unwrap(), *open)).collect(),
            installed: true,
        }
    }

    #[test]
    fn old_versions_are_flagged() {
        for (version, verdict) in [
            ("0.30.4", Verdict::Good),
            ("0.17.0", Verdict::Good),
            ("0.17.0-rc1", Verdict::Good),
            ("1.0.0", Verdict::Good),
            ("0.16.3", Verdict::Note),
            ("0.5.7", Verdict::Note),
            ("0.0.0", Verdict::Note),
            ("", Verdict::Note),
            ("tip", Verdict::Note),
        ] {
            assert_eq!(age("here", version).verdict, verdict, "{version}");
        }
    }

    #[test]
    fn who_can_reach_it_is_told_with_what_it_means() {
        let closed = &[("10.0.0.5", false), ("fd00::5", false)][..];
        let version = r#"{"version":"0.30.0"}"#;
        for (own, need, verdict, told) in [
            (&[][..], Need::None, Verdict::Good, "no address"),
            (&[("10.0.0.5", true)], Need::None, Verdict::Good, "open at 10.0.0.5"),
            (closed, Need::None, Verdict::Note, "OLLAMA_HOST"),
            (closed, Need::Agent, Verdict::Good, "`herdwick node` forwards"),
            (closed, Need::OnlyNode, Verdict::Good, "loopback only"),
        ] {
            let lines = judge(&seen(version, own), need);
            let line = lines.last().unwrap();
            assert_eq!((lines.len(), line.verdict), (2, verdict), "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
        }
    }

    #[test]
    fn one_that_is_missing_is_a_problem_where_it_is_needed() {
        for (silence, installed, need, verdict, told) in [
            (Silence::Refused, true, Need::OnlyNode, Verdict::Problem, "ollama serve"),
            (Silence::Refused, false, Need::Agent, Verdict::Problem, "ollama.com/download"),
            (Silence::Refused, false, Need::OneOfSeveral, Verdict::Note, "the router has others"),
            (Silence::Mute, true, Need::OnlyNode, Verdict::Problem, "says nothing"),
        ] {
            let seen = Seen { answer: Err(silence), installed, ..seen("", &[]) };
            let line = judge(&seen, need).remove(0);
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
        }
    }

    #[test]
    fn another_program_is_not_taken_for_it() {
        for body in ["<html>", "{}", r#"{"version":1}"#] {
            let lines = judge(&seen(body, &[]), Need::OnlyNode);
            assert_eq!((lines.len(), lines[0].verdict), (1, Verdict::Problem), "{body}");
        }
    }
}
