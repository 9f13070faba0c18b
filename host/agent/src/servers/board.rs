//! What is known of the model servers of this machine: written by whoever watches them, read by every beat. A beat
//! takes what lies here and never waits for a server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdwick_fleet::{BackendKind, Claim, Origin};
use herdwick_probe::Facts;
use herdwick_wire::beat::{ModelBeat, ResidentBeat, ServerBeat};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::parallel::Figures;

/// One model server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) kind: BackendKind,
    /// Where its agent reaches it.
    pub(crate) origin: Origin,
    /// What is told of it, but for its list of models.
    pub(crate) said: ServerBeat,
    /// Every model on disk, shared by all beats.
    pub(crate) models: Arc<[ModelBeat]>,
    /// When it last said something.
    pub(crate) told: Instant,
    /// Where it keeps models, if it was told and the machine tells.
    pub(crate) folder: Option<PathBuf>,
    /// How often it came back, so that what was found out about one life of it is not believed of the next.
    pub(crate) life: u64,
}

impl Server {
    /// Why it does not answer, if it does not.
    pub(crate) fn down(&self) -> Option<&str> {
        self.said.down.as_deref()
    }

    /// Takes a claim in; says whether routers should hear of it at once.
    fn take(&mut self, claim: &Claim) -> bool {
        let before = match claim {
            Claim::Models(_) => Some((self.said.models_hash.clone(), Vec::new())),
            Claim::Resident(_) => Some((String::new(), self.said.resident.clone())),
            _ => None,
        };
        let without = self.said.tell(claim);
        if without > 0 {
            tracing::debug!("{} has {without} models more than can be told", self.origin);
        }
        if let Some(models) = self.said.models.take() {
            self.models = models.into();
        }
        match (claim, before) {
            (Claim::Models(_), Some((hash, _))) => hash != self.said.models_hash,
            (Claim::Resident(_), Some((_, resident))) => !same_models(&resident, &self.said.resident),
            _ => false,
        }
    }
}

/// Whether the same models are in memory, with the same context. For how long they stay changes with each request.
fn same_models(one: &[ResidentBeat], other: &[ResidentBeat]) -> bool {
    let key = |model: &ResidentBeat| (model.name.clone(), model.context_tokens);
    one.len() == other.len() && one.iter().map(key).eq(other.iter().map(key))
}

/// All of them, by port: what they are known by.
#[derive(Debug)]
pub(crate) struct Board {
    servers: Mutex<BTreeMap<u16, Server>>,
    /// Moves when something changes that routers should hear of at once.
    news: watch::Sender<u64>,
    /// Ports that were looked at, whatever was there.
    looked: watch::Sender<BTreeSet<u16>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { servers: Mutex::default(), news: watch::Sender::new(0), looked: watch::Sender::default() }
    }
}

impl Board {
    /// All servers.
    pub(crate) fn servers(&self) -> BTreeMap<u16, Server> {
        self.lock().clone()
    }

    /// One of them.
    pub(crate) fn server(&self, port: u16) -> Option<Server> {
        self.lock().get(&port).cloned()
    }

    /// Where they keep models, as far as they were told.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.lock().values().filter_map(|server| server.folder.clone()).collect()
    }

    /// Wakes up when something changed.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// This port was looked at.
    pub(crate) fn looked(&self, port: u16) {
        self.looked.send_if_modified(|looked| looked.insert(port));
    }

    /// Returns once all of these were looked at.
    pub(crate) async fn has_looked(&self, ports: &BTreeSet<u16>) {
        // The sender lives as long as this.
        let _ = self.looked.subscribe().wait_for(|looked| looked.is_superset(ports)).await;
    }

    /// A server was found.
    pub(crate) fn found(&self, origin: &Origin, kind: BackendKind, version: String) {
        let mut servers = self.lock();
        let life = servers.get(&origin.port).map_or(0, |server| server.life + 1);
        let mut said = ServerBeat::new(kind, origin.port);
        said.tell(&Claim::Version(version));
        let told = Instant::now();
        let server =
            Server { kind, origin: origin.clone(), said, models: Arc::default(), told, folder: None, life };
        servers.insert(origin.port, server);
        drop(servers);
        self.tell();
    }

    /// It said this when it was asked then.
    pub(crate) fn told(&self, port: u16, asked: Instant, said: Facts) {
        let mut servers = self.lock();
        let Some(server) = servers.get_mut(&port) else { return };
        let is_back = server.down().is_some();
        server.life += u64::from(is_back);
        // Ollama does not tell; then what its machine tells stays.
        let slots = said.slots.or(server.said.slots);
        let mut is_news = is_back || server.said.slots != slots;
        server.said.slots = slots;
        server.told = asked;
        for claim in &said.claims {
            is_news |= server.take(claim);
        }
        drop(servers);
        if is_news {
            self.tell();
        }
    }

    /// What the machine tells of how it was started.
    pub(crate) fn started_with(&self, port: u16, figures: Figures) {
        let mut servers = self.lock();
        let Some(server) = servers.get_mut(&port) else { return };
        let Figures { parallel, max_loaded, keep_alive_s, models } = figures;
        server.folder = models;
        let said = &mut server.said;
        let is_news =
            (said.slots, said.max_loaded, said.keep_alive_s) != (parallel, max_loaded, keep_alive_s);
        (said.slots, said.max_loaded, said.keep_alive_s) = (parallel, max_loaded, keep_alive_s);
        drop(servers);
        if is_news {
            self.tell();
        }
    }

    /// It does not answer. Whether that is news.
    pub(crate) fn down(&self, port: u16, why: &str) -> bool {
        let mut servers = self.lock();
        let Some(server) = servers.get_mut(&port) else { return false };
        let before = server.said.down.clone();
        server.take(&Claim::Unreachable(why.to_owned()));
        let is_news = server.said.down != before;
        drop(servers);
        if is_news {
            self.tell();
        }
        is_news
    }

    /// It is gone, and nobody said that it should be there.
    pub(crate) fn gone(&self, port: u16) {
        if self.lock().remove(&port).is_some() {
            self.tell();
        }
    }

    /// Something else changed that routers should hear of at once.
    pub(crate) fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use herdwick_fleet::{ModelName, ResidentClaim};

    use super::*;

    #[test]
    fn only_what_changes_is_news() {
        let board = Board::default();
        let origin = Origin { host: "127.0.0.1".to_owned(), port: 1 };
        board.found(&origin, BackendKind::Ollama, String::new());
        let mut news = board.news();
        news.mark_unchanged();
        let mut is_news = || {
            let changed = news.has_changed().expect("the board lives");
            news.mark_unchanged();
            changed
        };
        let held = |name: &str, expires: &str| {
            let loaded = herdwick_fleet::backend::Loaded { expires_at: expires.into(), ..Default::default() };
            let claim = ResidentClaim { name: ModelName::parse(name).expect("a name"), loaded };
            Facts { claims: vec![Claim::Resident(vec![claim])], slots: None }
        };
        board.told(1, Instant::now(), held("a", "12:00"));
        assert!(is_news(), "a model was loaded");
        board.told(1, Instant::now(), held("a", "12:05"));
        assert!(!is_news(), "it is only kept longer");
        assert!(board.down(1, "it is off") && is_news());
        assert!(!board.down(1, "it is off") && !is_news());
        board.told(1, Instant::now(), held("a", "12:05"));
        assert!(is_news(), "it came back");
    }
}
