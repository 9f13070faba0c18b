//! How a router reaches a model server of this machine: on the machine's own address where the server listens there,
//! else through a port on which the agent passes on.

mod forward;
mod guests;
mod paths;
mod seats;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdwick_fleet::Origin;
use herdwick_probe::{Depth, Probe};
use tokio::time::Instant;

use crate::servers::board::{Board, Server};
pub(crate) use guests::{Guests, RouterId};

/// How long a server may take to show that it listens on an address.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it is believed to listen there, or not.
const BELIEVED: Duration = Duration::from_secs(30);
/// After what time a port is asked for again where none was to be had.
const AGAIN: Duration = Duration::from_secs(5);
/// Doors that are remembered. A machine has a handful; past it those on addresses of earlier are forgotten.
const DOORS: usize = 64;

/// How a router reaches one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// At the server's own port.
    Direct,
    /// At this one.
    Forwarded(u16),
}

/// The doors on every address by which routers reach this machine.
#[derive(Debug)]
pub(crate) struct Doors {
    board: Arc<Board>,
    guests: Arc<Guests>,
    /// The first port that is tried for passing on.
    port: u16,
    known: Mutex<BTreeMap<(IpAddr, u16), Known>>,
}

/// What was found out about one server on one address.
#[derive(Debug)]
struct Known {
    door: Option<Door>,
    /// When, and about which life of the server.
    looked: Option<(Instant, u64)>,
    /// Somebody is finding out.
    looking: bool,
    /// Passes on, once it was needed; for good, since a port that moves would cost requests.
    passes: Option<forward::Forward>,
}

impl Doors {
    /// None is known yet.
    pub(crate) fn new(board: Arc<Board>, guests: Arc<Guests>, port: u16) -> Self {
        Self { board, guests, port, known: Mutex::default() }
    }

    /// The door of a server for a router that reaches this machine at `address`, as far as it is known. What is not, or
    /// not any more, is found out meanwhile; the board tells when it is.
    pub(crate) fn door(self: &Arc<Self>, address: IpAddr, port: u16, server: &Server) -> Option<Door> {
        // Where nobody answers, nothing can be found out, and what was known may hold again.
        let is_down = server.down().is_some();
        let mut known = self.lock();
        if known.len() >= DOORS {
            known.retain(|(at, _), _| *at == address);
        }
        let entry = known.entry((address, port)).or_insert_with(|| Known {
            door: None,
            looked: None,
            looking: false,
            passes: None,
        });
        let door = entry.door;
        let lasts = if door.is_some() { BELIEVED } else { AGAIN };
        let is_stale =
            entry.looked.is_none_or(|(looked, life)| life != server.life || looked.elapsed() >= lasts);
        if is_stale && !is_down && !entry.looking {
            entry.looking = true;
            let (doors, server) = (Arc::clone(self), server.clone());
            tokio::spawn(async move { doors.look(address, port, server).await });
        }
        door
    }

    /// Finds out, and opens a port if one is needed.
    async fn look(self: Arc<Self>, address: IpAddr, port: u16, server: Server) {
        let origin = Origin { host: address.to_string(), port };
        let is_same = origin == server.origin;
        // Another program may listen on the same port of another address; it would answer otherwise.
        let probe = Probe::new(origin, PATIENCE);
        let direct = is_same
            || match probe.look(server.kind, Depth::Memory).await {
                Ok(_) => true,
                // Somebody is there and busy: what was known holds.
                Err(error) if error.is_slow() => self.was_direct(address, port),
                Err(_) => false,
            };
        let door =
            if direct { Some(Door::Direct) } else { self.forwarded(address, port, &server.origin).await };
        let mut known = self.lock();
        let Some(entry) = known.get_mut(&(address, port)) else { return };
        let is_news = entry.door != door;
        (entry.door, entry.looked, entry.looking) = (door, Some((Instant::now(), server.life)), false);
        drop(known);
        if is_news {
            match door {
                Some(Door::Direct) => tracing::info!("routers reach {} at {address}", server.origin),
                Some(Door::Forwarded(at)) => {
                    tracing::info!(
                        "{} listens for this machine only: passing on from {address}:{at}",
                        server.origin
                    );
                }
                None => {}
            }
            self.board.tell();
        }
    }

    /// Whether the server listened on this address when it was last asked; of one that was never asked, yes.
    fn was_direct(&self, address: IpAddr, port: u16) -> bool {
        let known = self.lock();
        known.get(&(address, port)).and_then(|known| known.door).is_none_or(|door| door == Door::Direct)
    }

    /// A port that passes on: the one that is open already, or a new one.
    async fn forwarded(&self, address: IpAddr, port: u16, to: &Origin) -> Option<Door> {
        let open = self.lock().get(&(address, port)).and_then(|known| Some(known.passes.as_ref()?.port));
        if let Some(port) = open {
            return Some(Door::Forwarded(port));
        }
        let through = forward::Through { to: to.clone(), guests: Arc::clone(&self.guests) };
        let forward = match forward::open(address, self.port, through).await {
            Ok(forward) => forward,
            Err(error) => {
                tracing::warn!(
                    "{to} listens for this machine only, and no port of {address} is to be had: {error}"
                );
                return None;
            }
        };
        let at = forward.port;
        if let Some(entry) = self.lock().get_mut(&(address, port)) {
            entry.passes = Some(forward);
        }
        Some(Door::Forwarded(at))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(IpAddr, u16), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
