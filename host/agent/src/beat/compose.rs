//! What a heartbeat says: everything that is known at this moment, for one router. Nothing here waits.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdwick_wire::beat::{Beat, ForwardBeat, ServerBeat, limits};
use tokio::time::Instant;

use crate::beat::session::Session;
use crate::collect::Collector;
use crate::door::{Door, Doors, Guests, RouterId};
use crate::servers::board::{Board, Server};
use crate::sockets::{self, Connections};

/// Who speaks: the same in every beat.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Drawn when the agent started.
    pub(crate) boot: String,
}

/// Whom a beat is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) router: RouterId,
    /// This machine's address on the connection to the router.
    pub(crate) here: IpAddr,
    /// The router's.
    pub(crate) there: IpAddr,
    /// Other routers that hear of this machine.
    pub(crate) others: u32,
}

/// What a composer says.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) board: Arc<Board>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) guests: Arc<Guests>,
    pub(crate) collector: Arc<Collector>,
}

/// Makes beats.
#[derive(Debug)]
pub(crate) struct Composer {
    speaker: Speaker,
    known: Known,
    looks: Mutex<Looks>,
}

/// What was seen last, for all routers.
#[derive(Debug, Default)]
struct Looks {
    clients: BTreeMap<u16, Vec<IpAddr>>,
    /// When they are looked for again.
    due: Option<Instant>,
}

impl Composer {
    /// Says what these know.
    pub(crate) fn new(speaker: Speaker, known: Known) -> Self {
        Self { speaker, known, looks: Mutex::default() }
    }

    /// One beat, with one of the lists of models that the router does not have: several might not fit. A server whose
    /// door is not known yet is left out: a router could not reach it.
    pub(crate) fn beat(&self, listener: Listener, session: &Session) -> Beat {
        let Known { board, doors, guests, collector } = &self.known;
        let servers = board.servers();
        let clients = self.clients(&servers);
        let (readings, facts) = collector.look();
        let mut listed = false;
        let server = |(port, server): (&u16, &Server)| {
            let forward = match doors.door(listener.here, *port, server) {
                Some(Door::Direct) => None,
                Some(Door::Forwarded(port)) => {
                    Some(ForwardBeat { port, bearer: guests.bearer(listener.router).ok()? })
                }
                // Why it does not answer is worth telling without a door.
                None if server.down().is_some() => None,
                None => return None,
            };
            let direct = clients.get(port).into_iter().flatten();
            let direct = direct.filter(|client| **client != listener.there).count();
            let foreign = u32::try_from(direct)
                .unwrap_or(u32::MAX)
                .saturating_add(guests.others(listener.router, *port));
            let has_it = session.has(*port, &server.said.models_hash);
            let list = (!has_it && !std::mem::replace(&mut listed, true)).then(|| server.models.to_vec());
            let age_ms = millis(server.told.elapsed().min(limits::SERVER_AGE));
            Some(ServerBeat { forward, foreign, age_ms, models: list, ..server.said.clone() })
        };
        Beat {
            name: self.speaker.name.clone(),
            version: self.speaker.version.clone(),
            boot: self.speaker.boot.clone(),
            session: String::new(),
            seq: 0,
            interval_ms: 0,
            draining: false,
            other_routers: listener.others,
            servers: servers.iter().filter_map(server).take(limits::SERVERS).collect(),
            readings,
            facts: session.wants(&facts, Instant::now()).then_some(facts),
        }
    }

    /// Who asks the servers beside us, unless somebody just looked.
    fn clients(&self, servers: &BTreeMap<u16, Server>) -> BTreeMap<u16, Vec<IpAddr>> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let Looks { clients, due } = &mut *looks;
        let now = Instant::now();
        if due.is_none_or(|due| now >= due) {
            *clients = clients_of(servers);
            *due = Some(now + sockets::believed(now.elapsed()));
        }
        clients.clone()
    }
}

/// Whose requests run at the servers that answer, beside those of this process.
fn clients_of(servers: &BTreeMap<u16, Server>) -> BTreeMap<u16, Vec<IpAddr>> {
    let up: Vec<u16> =
        servers.iter().filter(|(_, server)| server.down().is_none()).map(|(port, _)| *port).collect();
    if up.is_empty() || !cfg!(target_os = "linux") {
        return BTreeMap::new();
    }
    let connections = Connections::read();
    let own: HashSet<u64> = sockets::of_process(Path::new("/proc/self"));
    up.into_iter().map(|port| (port, connections.clients(port, &own))).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
