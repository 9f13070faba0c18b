//! How the router shows itself on the network and whom it finds there. Nobody becomes a member by being seen: agents come
//! by themselves with their heartbeats, and what the look around finds is asked first what it is.

mod around;
mod herd;
mod others;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use herdwick_discovery::{Card, HerdCard, Mdns, Role, Settings};
use herdwick_fleet::Snapshot;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::desk::FleetDesk;
use around::Around;

/// How long a goodbye to the network may take when the router stops.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the router does to be found and to find.
pub struct Discovery {
    /// What it says of itself.
    pub card: Card,
    /// How multicast DNS is spoken; `None` = it is not.
    pub mdns: Option<Settings>,
    /// Whether it looks for machines with Ollama and without an agent.
    pub probe: bool,
    /// Whether it calls agents of Ollama Herd although a router of theirs is there.
    pub adopt_herd_nodes: bool,
}

impl Discovery {
    /// Finds and lets itself be found until `stopped` turns true; then it says goodbye, so that no new work comes.
    pub async fn run(self, desk: FleetDesk, fleet: Arc<ArcSwap<Snapshot>>, stopped: watch::Receiver<bool>) {
        let around = Around::new(desk, fleet);
        tokio::select! {
            () = self.show(stopped.clone()) => {}
            () = around.run(), if self.probe => {}
        }
    }

    /// Returns when the router stops.
    async fn show(&self, mut stopped: watch::Receiver<bool>) {
        let mdns = self.mdns.clone().and_then(|settings| {
            let started = Mdns::start(settings);
            started.inspect_err(|error| tracing::warn!("this router cannot be found by itself: {error}")).ok()
        });
        let Some(mdns) = mdns else {
            let _ = stopped.wait_for(|stopped| *stopped).await;
            return;
        };
        let shown = mdns.advertise(self.card.clone());
        let herd_card = HerdCard { fingerprint: self.card.fingerprint, port: self.card.port };
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = herd::run(&mdns, herd_card, self.adopt_herd_nodes) => {}
            () = others::run(mdns.browse(Role::Router)) => {}
        }
        let _ = timeout(GOODBYE, shown.withdraw()).await;
    }
}
