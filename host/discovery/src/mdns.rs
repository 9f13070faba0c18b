//! Multicast DNS for a program of ours: what it says of itself, and whom it sees. The work is done by a task of the
//! runtime it is started on, and by a thread with low priority that reads the packets; neither is ever waited for by
//! whoever carries requests.

mod actor;
mod daemon;
mod heard;
mod wanted;

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::answer::Sighting;
use crate::card::{Card, Fingerprint, Role};
use actor::Actor;
use wanted::{Saying, Wanted};

/// How multicast DNS is spoken.
#[derive(Clone, Debug)]
pub struct Settings {
    /// UDP port. Everybody has 5353; tests take others and are then among themselves.
    pub port: u16,
    /// Where it is spoken.
    pub interfaces: Interfaces,
}

/// Where multicast DNS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interfaces {
    /// On all that are up, and those that come up later. Of tunnels between two points there is none: they have no
    /// neighbours.
    All,
    /// Inside this machine. Nothing leaves it.
    Loopback,
    /// On the interface that has this address.
    With(IpAddr),
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: mdns_sd::MDNS_PORT, interfaces: Interfaces::All }
    }
}

/// Multicast cannot be spoken here.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS cannot start: {0}")]
pub struct MdnsError(String);

/// Multicast DNS, until this and everything that it gave is dropped. Clones are the same.
#[derive(Clone)]
pub struct Mdns(Arc<Handle>);

/// What all that came from one [`Mdns`] holds together. With the last one the task ends, and says goodbye for everybody.
struct Handle {
    wanted: Arc<Wanted>,
    seen: Seen,
    said: watch::Receiver<Vec<Saying>>,
}

/// Where the task leaves what it sees.
#[derive(Clone)]
struct Seen {
    routers: watch::Receiver<Arc<[Sighting]>>,
    nodes: watch::Receiver<Arc<[Sighting]>>,
    herds: watch::Receiver<Vec<String>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.wanted.change(|wanted| wanted.over = true);
    }
}

impl Mdns {
    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no file handle. That multicast does not pass, or that the port is taken
    /// by somebody who does not share it, is no error here: then nobody is seen.
    pub fn start(settings: Settings) -> Result<Self, MdnsError> {
        let wanted = Arc::new(Wanted::default());
        let (actor, seen, said) = Actor::new(settings, Arc::clone(&wanted))?;
        tokio::spawn(actor.run());
        Ok(Self(Arc::new(Handle { wanted, seen, said })))
    }

    /// Says to the network who this is, a router under `_herdwick._tcp.local.` and a node under
    /// `_herdwick-node._tcp.local.`, on every interface and all that come later,
    /// until the [`Advertiser`] is dropped.
    pub fn advertise(&self, card: Card) -> Advertiser {
        self.say(Saying::Card(card))
    }

    /// Shows a router to agents of Ollama Herd, under `_fleet-manager._tcp.local.`, until the [`Advertiser`] is dropped.
    /// They go to whomever they see first: look at [`Self::herd`] before.
    pub fn advertise_to_herd(&self, card: HerdCard) -> Advertiser {
        self.say(Saying::Herd(card))
    }

    /// Looks for those who say to have this role. Sightings never include this program itself.
    pub fn browse(&self, role: Role) -> Browser {
        self.0.wanted.change(|wanted| wanted.roles.insert(role));
        let seen = match role {
            Role::Router => self.0.seen.routers.clone(),
            Role::Node => self.0.seen.nodes.clone(),
        };
        Browser { handle: Arc::clone(&self.0), seen }
    }

    /// Looks for routers of Ollama Herd: the names of those on the network, which are not ours, at most 16.
    pub fn herd(&self) -> watch::Receiver<Vec<String>> {
        self.0.wanted.change(|wanted| wanted.herd = true);
        self.0.seen.herds.clone()
    }

    fn say(&self, saying: Saying) -> Advertiser {
        self.0.wanted.change(|wanted| wanted.sayings.push(saying.clone()));
        Advertiser { handle: Arc::clone(&self.0), saying: Some(saying) }
    }
}

/// How a router shows itself to agents of Ollama Herd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HerdCard {
    /// Of the router's key: makes the name its own.
    pub fingerprint: Fingerprint,
    /// Where it listens for their heartbeats.
    pub port: u16,
}

/// Somebody is shown to the network while this is held.
#[must_use = "whoever is dropped is not shown any more"]
pub struct Advertiser {
    handle: Arc<Handle>,
    saying: Option<Saying>,
}

impl Advertiser {
    /// Says goodbye to the network and waits until that is sent.
    pub async fn withdraw(mut self) {
        let Some(saying) = self.saying.take() else { return };
        self.handle.wanted.change(|wanted| wanted.unsay(&saying));
        let mut now = self.handle.said.clone();
        // The task is gone only when its runtime is, and then there is nobody to send anything.
        let _ = now.wait_for(|said| !said.contains(&saying)).await;
    }
}

impl Drop for Advertiser {
    fn drop(&mut self) {
        if let Some(saying) = &self.saying {
            self.handle.wanted.change(|wanted| wanted.unsay(saying));
        }
    }
}

/// Who is seen on the network.
#[derive(Clone)]
pub struct Browser {
    handle: Arc<Handle>,
    seen: watch::Receiver<Arc<[Sighting]>>,
}

impl Browser {
    /// Who is seen now: at most [`crate::MOST_SIGHTINGS`].
    pub fn now(&self) -> Arc<[Sighting]> {
        Arc::clone(&self.seen.borrow())
    }

    /// Waits until somebody comes, changes or leaves, and says who is seen then. Safe to drop while it waits.
    pub async fn changed(&mut self) -> Arc<[Sighting]> {
        if self.seen.changed().await.is_err() {
            // The runtime of the task ends; nobody will be seen any more.
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.seen.borrow_and_update())
    }

    /// Asks the network again, for whoever misses somebody. It is asked every five minutes anyway, and at most every
    /// ten seconds.
    pub fn ask(&self) {
        self.handle.wanted.change(|wanted| wanted.ask = true);
    }

    /// Keys that are known here: who says to have one finds room also when more are seen than are kept.
    pub fn know(&self, keys: &[Fingerprint]) {
        self.handle.wanted.change(|wanted| wanted.known = keys.to_vec());
    }
}
