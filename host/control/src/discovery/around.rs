//! The look around, for whom it was switched on: machines on this one's private networks that run Ollama and have no agent.
//! They are asked what they are, by documents that load nothing, and handed to the keeper like any other.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use herdwick_discovery::{Pace, lan, open_ports};
use herdwick_fleet::{BackendKind, Listing, Origin, Snapshot, Source};
use herdwick_probe::Probe;
use tokio::time::{MissedTickBehavior, interval};

use crate::desk::{DeskError, FleetDesk};

/// Where Ollama listens unless somebody moved it.
const PORT: u16 = 11_434;
/// From the beginning of a round to that of the next one. Machines are switched on a few times a day.
const EVERY: Duration = Duration::from_secs(600);
/// How long a machine may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks around.
pub(super) struct Around {
    desk: FleetDesk,
    fleet: Arc<ArcSwap<Snapshot>>,
    /// Whom it handed in already. Whoever is not in the fleet any more was taken out by its operator.
    handed_in: HashSet<SocketAddr>,
}

impl Around {
    pub(super) fn new(desk: FleetDesk, fleet: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { desk, fleet, handed_in: HashSet::new() }
    }

    /// Looks around at once and every ten minutes, for ever.
    pub(super) async fn run(mut self) {
        let mut round = interval(EVERY);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            round.tick().await;
            self.look(lan::neighbours(), PORT).await;
        }
    }

    /// One round over these addresses.
    async fn look(&mut self, addresses: Vec<Ipv4Addr>, port: u16) {
        let known = self.known();
        let asked: Vec<_> =
            addresses.into_iter().filter(|address| !known.contains(&(*address, port).into())).collect();
        tracing::debug!(addresses = asked.len(), port, "looking for machines without an agent");
        for address in open_ports(asked, port, Pace::default()).await {
            if self.handed_in.contains(&address) {
                continue;
            }
            let origin = Origin { host: address.ip().to_string(), port: address.port() };
            match Probe::new(origin.clone(), PATIENCE).identify().await {
                Ok(found) if found.kind == BackendKind::Ollama => self.hand_in(address, origin).await,
                Ok(found) => {
                    tracing::debug!(%address, kind = ?found.kind, "found, and left alone: it is no Ollama")
                }
                Err(error) => tracing::debug!(%address, "found, and left alone: {error}"),
            }
        }
    }

    async fn hand_in(&mut self, address: SocketAddr, origin: Origin) {
        tracing::info!(%address, "the look around found an Ollama without an agent");
        let listing = Listing {
            name: origin.host.clone(),
            origin,
            slots: None,
            labels: BTreeMap::new(),
            source: Source::Found,
        };
        match self.desk.list(listing).await {
            // The next round tries again.
            Err(DeskError::Busy | DeskError::Gone) => {}
            Ok(()) => {
                self.handed_in.insert(address);
            }
            Err(DeskError::Refused(refusal)) => {
                self.handed_in.insert(address);
                tracing::info!(%address, "it is not added: {refusal}");
            }
        }
    }

    /// Where members listen: nobody there has to be found.
    fn known(&self) -> HashSet<SocketAddr> {
        let fleet = self.fleet.load();
        let address =
            |origin: &Origin| Some(SocketAddr::new(origin.host.parse::<IpAddr>().ok()?, origin.port));
        fleet.backends().iter().filter_map(|backend| address(&backend.origin)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use fakenode::{FakeNode, Kind, ModelSpec, NodeSpec};

    use super::*;
    use crate::keeper::{Keeper, Published};
    use crate::poll::Polling;

    const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

    fn keeper() -> (Around, Published, FleetDesk) {
        let keeper = Keeper::default();
        let (published, desk) = (keeper.published(), keeper.desk());
        tokio::spawn(keeper.run(Polling::default(), Instant::now()));
        (Around::new(desk.clone(), Arc::clone(&published.fleet)), published, desk)
    }

    fn names(published: &Published) -> Vec<String> {
        let fleet = published.fleet.load();
        fleet.backends().iter().map(|backend| backend.node.name.to_string()).collect()
    }

    #[tokio::test]
    async fn an_ollama_without_an_agent_is_added_once_and_stays_out_once_taken_out() {
        let ollama = FakeNode::start(NodeSpec::new("a").model(ModelSpec::new("m:1b"))).unwrap();
        let port = ollama.addr().port();
        let (mut around, mut published, desk) = keeper();
        around.look(vec![HERE], port).await;
        assert_eq!(names(&published), ["127.0.0.1"]);
        let has_models = published.generation.wait_for(|_| {
            published.fleet.load().backends().iter().any(|backend| !backend.holdings.is_empty())
        });
        tokio::time::timeout(Duration::from_secs(10), has_models).await.unwrap().unwrap();
        around.look(vec![HERE], port).await;
        assert_eq!(names(&published), ["127.0.0.1"]);
        desk.remove("127.0.0.1").await.unwrap();
        around.look(vec![HERE], port).await;
        assert!(names(&published).is_empty(), "its operator took it out");
        let loads: u64 = ollama.stats().models.values().map(|model| model.loads).sum();
        assert_eq!(loads, 0, "looking must load nothing");
    }

    #[tokio::test]
    async fn what_is_no_ollama_is_left_alone() {
        let other = FakeNode::start(NodeSpec::new("a").kind(Kind::Vllm).model(ModelSpec::new("m"))).unwrap();
        let (mut around, published, _desk) = keeper();
        around.look(vec![HERE], other.addr().port()).await;
        assert!(names(&published).is_empty());
        // Something that takes connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        around.look(vec![HERE], silent.local_addr().unwrap().port()).await;
        assert!(names(&published).is_empty());
    }
}
