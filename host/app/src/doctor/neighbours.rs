//! Who of ours says on the network that it is there. A hint of where to look: whoever is named is asked afterwards.

use std::time::Duration;

use herdwick_discovery::{Mdns, Role, Settings, Sighting};
use herdwick_fleet::Origin;
use tokio::time::sleep;

use super::line::Line;

/// What the check is called.
const CHECK: &str = "neighbours";
/// How long is listened: whoever is there answers within half a second, even a slow one.
const LISTEN: Duration = Duration::from_millis(1_000);
/// Routers that are asked. No household has more, and more only show that somebody makes them up.
pub(crate) const MOST: usize = 4;

/// Who was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) routers: Vec<Neighbour>,
    pub(crate) nodes: usize,
}

/// Somebody who was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) name: String,
    /// Where it says that it is, its best address.
    pub(crate) origin: Origin,
}

/// Listens for [`LISTEN`]. `is_here` tells who is on this machine: they are no neighbours.
pub(crate) async fn look(is_here: impl Fn(&Origin) -> bool) -> Seen {
    // That multicast does not work is told by the check of that name.
    let Ok(mdns) = Mdns::start(Settings::default()) else { return Seen::default() };
    let (routers, nodes) = (mdns.browse(Role::Router), mdns.browse(Role::Node));
    // There is no event that says that everybody has answered.
    sleep(LISTEN).await;
    let of = |seen: &[Sighting]| {
        let seen = seen.iter().filter_map(Neighbour::of);
        seen.filter(|neighbour| !is_here(&neighbour.origin)).collect::<Vec<_>>()
    };
    Seen { routers: of(&routers.now()), nodes: of(&nodes.now()).len() }
}

impl Neighbour {
    fn of(sighting: &Sighting) -> Option<Self> {
        let address = sighting.addresses.first()?;
        let origin = Origin { host: address.ip().to_string(), port: address.port() };
        Some(Self { name: sighting.name.clone(), origin })
    }
}

/// `searches`: an agent here has no other way to find a router.
pub(crate) fn judge(seen: &Seen, searches: bool) -> Option<Line> {
    let nodes = match seen.nodes {
        0 => String::new(),
        1 => "; one agent".to_owned(),
        nodes => format!("; {nodes} agents"),
    };
    if !seen.routers.is_empty() {
        let names =
            seen.routers.iter().map(|router| format!("{} at {}", router.name, router.origin.authority()));
        let names = names.collect::<Vec<_>>().join(", ");
        return Some(Line::good(CHECK, format!("on the network: router {names}{nodes}")));
    }
    if searches {
        return Some(
            Line::problem(CHECK, format!("no router is seen on the network{nodes}"))
                .cause("none runs there, or multicast does not come through, as between two networks")
                .fix("start one on a machine of this network, or name it to the agent:")
                .command("herdwick node --router HOST:11435"),
        );
    }
    (seen.nodes > 0).then(|| Line::good(CHECK, format!("on the network: no router{nodes}")))
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn an_agent_that_searches_must_see_somebody() {
        let studio = Neighbour {
            name: "studio".to_owned(),
            origin: Origin { host: "10.0.0.5".to_owned(), port: 11_435 },
        };
        let seen = |routers: &[Neighbour], nodes| Seen { routers: routers.to_vec(), nodes };
        for (seen, searches, verdict, told) in [
            (
                seen(std::slice::from_ref(&studio), 2),
                true,
                Verdict::Good,
                "router studio at 10.0.0.5:11435; 2 agents",
            ),
            (seen(&[studio], 0), false, Verdict::Good, "router studio"),
            (seen(&[], 1), true, Verdict::Problem, "no router is seen on the network; one agent"),
            (seen(&[], 1), false, Verdict::Good, "no router; one agent"),
        ] {
            let line = judge(&seen, searches).unwrap();
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(line.found.contains(told), "{line:?}");
        }
        assert_eq!(judge(&Seen::default(), false), None);
    }
}
