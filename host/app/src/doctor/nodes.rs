//! Are the machines there, both as this machine sees them and as the router does.

use herdwick_fleet::Origin;
use herdwick_wire::status::{NodeView, StatusView};
use tokio::task::JoinSet;

use super::ask::{self, Answer, Silence};
use super::line::Line;

/// Machines that are asked; a larger fleet is looked at by the router itself.
const MOST: usize = 64;
/// What every backend answers without work, and what it is asked for by the router.
const PATH: &str = "/api/version";

/// A machine that somebody knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    /// What the router says of it: that it is up, or why nobody is sent there. `None` when no router was asked, or it
    /// does not know yet.
    pub(crate) router: Option<Result<(), String>>,
}

/// A machine that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) known: Known,
    pub(crate) answer: Result<Answer, Silence>,
}

impl Known {
    /// As a router's picture has it. `None` when that makes no sense.
    pub(crate) fn of(node: &NodeView) -> Option<Self> {
        let router = match node.reach.as_str() {
            "up" => Some(Ok(())),
            "down" => Some(Err(node.why.clone())),
            _ => None,
        };
        Some(Self { name: node.name.clone(), origin: Origin::parse(&node.origin).ok()?, router })
    }
}

/// What the router on this machine knows.
pub(crate) async fn of_router(origin: &Origin) -> Option<Vec<Known>> {
    let answer = ask::get(origin, "/admin/v1/status").await.ok()?;
    let status: StatusView = serde_json::from_slice(&answer.body).ok()?;
    Some(status.nodes.iter().filter_map(Known::of).collect())
}

/// Asks every one of them, all at once.
pub(crate) async fn look(known: Vec<Known>) -> Vec<Seen> {
    let mut asked = JoinSet::new();
    for (order, known) in known.into_iter().take(MOST).enumerate() {
        asked.spawn(async move {
            let answer = ask::get(&known.origin, PATH).await;
            (order, Seen { known, answer })
        });
    }
    let mut seen: Vec<_> = asked.join_all().await;
    seen.sort_by_key(|(order, _)| *order);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

impl Seen {
    /// Whether something between here and there may have swallowed what was sent.
    pub(crate) fn may_be_a_firewall(&self) -> bool {
        self.answer.as_ref().is_err_and(Silence::may_be_a_firewall)
    }
}

pub(crate) fn judge(seen: &Seen) -> Line {
    let Known { name, origin, router } = &seen.known;
    let check = format!("node {name}");
    let at = origin.authority();
    match (&seen.answer, router) {
        (Ok(answer), _) if answer.is_router => {
            Line::problem(check, format!("{at} is a router, and no model server"))
                .cause("a router that stands before itself or another one sends requests in circles")
                .fix("take it out of herdwick.toml ([[nodes]])")
        }
        (Ok(answer), Some(Err(why))) => {
            let ms = answer.took.as_millis();
            Line::problem(
                check,
                format!("answers at {at} in {ms} ms from here, and the router sends nobody there"),
            )
            .cause(format!("as the router says: {why}"))
            .fix("have the router look again:")
            .command(format!("herdwick nodes test {name}"))
        }
        (Ok(answer), view) => {
            let ms = answer.took.as_millis();
            match (matches!(answer.status, 401 | 403), view.is_some()) {
                (true, true) => Line::good(
                    check,
                    format!("answers at {at} in {ms} ms; its agent lets its router in, and nobody else"),
                ),
                (true, false) => {
                    Line::problem(check, format!("refuses this machine at {at} ({})", answer.status))
                        .cause("it takes requests of another router, or of its own machine, alone")
                        .fix("start the agent there, which joins this router:")
                        .command("herdwick node")
                }
                (false, true) => {
                    Line::good(check, format!("answers at {at} in {ms} ms; the router sees it too"))
                }
                (false, false) => Line::good(check, format!("answers at {at} in {ms} ms")),
            }
        }
        (Err(silence), Some(Ok(()))) => {
            Line::note(check, format!("no answer at {at} from here, but the router has one"))
                .cause(silence.to_string())
        }
        (Err(silence), _) => {
            let line = Line::problem(check, format!("no answer at {at}"));
            match silence {
                Silence::Refused => line
                    .cause("the machine is there, and nothing listens at that address: its Ollama is off, or listens on loopback only")
                    .fix("on that machine, run the agent, or open Ollama to the network:")
                    .command("herdwick node")
                    .command("OLLAMA_HOST=0.0.0.0 ollama serve"),
                Silence::NoName => line
                    .cause(silence.to_string())
                    .fix("name its address in place of its name (`url` in herdwick.toml), or see what it is called:")
                    .command(format!("ping {}", origin.host)),
                Silence::Mute | Silence::Strange => {
                    line.cause(silence.to_string()).fix("start its model server anew, on that machine")
                }
                Silence::Lost | Silence::Unreachable | Silence::Other(_) => line
                    .cause(format!("{silence}: it is off or asleep, in another network, or a firewall is in between"))
                    .fix("wake it, then try the way to it:")
                    .command(format!("ping {}", origin.host)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn both_views_count() {
        let known = Known {
            name: "studio".to_owned(),
            origin: Origin { host: "10.0.0.5".to_owned(), port: 11_434 },
            router: None,
        };
        let up = Answer { status: 200, ..Answer::default() };
        let refused = Answer { status: 403, ..Answer::default() };
        let router = Answer { is_router: true, ..Answer::default() };
        let down = Some(Err("no answer within 2 s".to_owned()));
        for (answer, view, verdict, told) in [
            (Ok(up.clone()), None, Verdict::Good, "answers at 10.0.0.5:11434"),
            (Ok(up.clone()), Some(Ok(())), Verdict::Good, "the router sees it too"),
            (Ok(up), down.clone(), Verdict::Problem, "as the router says: no answer within 2 s"),
            (Ok(refused.clone()), None, Verdict::Problem, "refuses this machine"),
            (Ok(refused), Some(Ok(())), Verdict::Good, "its router in"),
            (Ok(router), None, Verdict::Problem, "is a router"),
            (Err(Silence::Refused), None, Verdict::Problem, "herdwick node"),
            (Err(Silence::Lost), down, Verdict::Problem, "off or asleep"),
            (Err(Silence::Lost), Some(Ok(())), Verdict::Note, "but the router has one"),
            (Err(Silence::NoName), None, Verdict::Problem, "its name is not known"),
        ] {
            let line = judge(&Seen { known: Known { router: view, ..known.clone() }, answer });
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
        }
    }
}
