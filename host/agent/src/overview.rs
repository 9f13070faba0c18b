//! What an agent found, for people: its model servers and its routers.

use std::time::Duration;

use herdwick_fleet::{BackendKind, Origin};
use tokio::time::{Instant, sleep_until};

use crate::Agent;
use crate::beat::link::Standing;

/// An agent at one moment.
#[derive(Clone, Debug)]
pub struct Overview {
    /// What the machine is called.
    pub name: String,
    /// Who it is: the public half of its key.
    pub key: String,
    /// Its model servers, by port.
    pub servers: Vec<ServerView>,
    /// Its routers.
    pub routers: Vec<RouterView>,
}

/// A model server.
#[derive(Clone, Debug)]
pub struct ServerView {
    /// Where it listens.
    pub origin: Origin,
    /// Which API it speaks.
    pub kind: BackendKind,
    /// Its software's version, empty when unknown.
    pub version: String,
    /// Models on disk.
    pub models: usize,
    /// Models in memory.
    pub resident: usize,
    /// Why it does not answer.
    pub down: Option<String>,
}

/// A router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterView {
    /// It takes this machine's beats, here.
    Reporting(String),
    /// It answers here, and does not take them; why.
    Refused(Vec<String>, String),
    /// It is looked for there; why it was not found, if that is known yet.
    Looking(Vec<String>, String),
}

impl Agent {
    /// How it stands now.
    pub fn overview(&self) -> Overview {
        let servers = self.shared.board.servers();
        let servers = servers.into_values().map(|server| ServerView {
            models: server.models.len(),
            resident: server.said.resident.len(),
            origin: server.origin,
            kind: server.kind,
            version: server.said.version,
            down: server.said.down,
        });
        let router = |link: std::sync::Arc<crate::beat::link::Link>| {
            let addresses = link.addresses().into_iter().map(|(address, _)| address).collect();
            match link.standing() {
                Standing::Reporting(address) => RouterView::Reporting(address),
                Standing::Refused(why) => RouterView::Refused(addresses, why),
                Standing::Looking(why) => RouterView::Looking(addresses, why),
            }
        };
        Overview {
            name: self.name.clone(),
            key: self.shared.identity.public().to_string(),
            servers: servers.collect(),
            routers: self.shared.routers.links().into_iter().map(router).collect(),
        }
    }

    /// Returns once a server was read and a router takes beats, or when that takes longer than `patience`.
    pub async fn settled(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut news = self.shared.board.news();
        let is_settled = || {
            let overview = self.overview();
            let read = overview.servers.iter().any(|server| server.models > 0);
            let reports = |router: &RouterView| matches!(router, RouterView::Reporting(_));
            read && overview.routers.iter().any(reports)
        };
        while !is_settled() && Instant::now() < until {
            tokio::select! {
                // That a router takes beats is no news of the board; it is looked at again a little later.
                _ = news.changed() => {}
                () = sleep_until((Instant::now() + Duration::from_millis(50)).min(until)) => {}
            }
        }
    }
}
