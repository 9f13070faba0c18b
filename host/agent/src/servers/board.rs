//! What is known of the model servers of this machine: written by whoever watches them, read by every beat. A beat
//! takes what lies here and never waits for a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdwick_fleet::{BackendKind, Claim, Origin};
use herdwick_probe::Facts;
use herdwick_wire::beat::{ModelBeat, ResidentBeat};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::parallel::Figures;
use crate::servers::facts;

/// One model server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) kind: BackendKind,
    /// Where its agent reaches it.
    pub(crate) origin: Origin,
    pub(crate) version: String,
    /// Requests that it takes at once, as it tells itself.
    pub(crate) slots: Option<u32>,
    /// What it was started with, as the machine tells.
    pub(crate) figures: Figures,
    /// Every model on disk, shared by all beats.
    pub(crate) models: Arc<[ModelBeat]>,
    /// Names that list.
    pub(crate) hash: String,
    pub(crate) resident: Vec<ResidentBeat>,
    /// When it last said something.
    pub(crate) told: Instant,
    /// Why it does not answer, if it does not.
    pub(crate) down: Option<String>,
    /// How often it came back, so that what was found out about one life of it is not believed of the next.
    pub(crate) life: u64,
}

/// All of them, by port: what they are known by.
#[derive(Debug)]
pub(crate) struct Board {
    servers: Mutex<BTreeMap<u16, Server>>,
    /// Moves when something changes that routers should hear of at once.
    news: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self { servers: Mutex::default(), news: watch::Sender::new(0) }
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

    /// Wakes up when something changed.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// A server was found.
    pub(crate) fn found(&self, origin: &Origin, kind: BackendKind, version: String) {
        let mut servers = self.lock();
        let life = servers.get(&origin.port).map_or(0, |server| server.life + 1);
        let server = Server {
            kind,
            origin: origin.clone(),
            version,
            slots: None,
            figures: Figures::default(),
            models: Arc::default(),
            hash: facts::hash(&[]),
            resident: Vec::new(),
            told: Instant::now(),
            down: None,
            life,
        };
        servers.insert(origin.port, server);
        drop(servers);
        self.tell();
    }

    /// It said this when it was asked then.
    pub(crate) fn told(&self, port: u16, asked: Instant, said: Facts) {
        let mut servers = self.lock();
        let Some(server) = servers.get_mut(&port) else { return };
        let is_back = server.down.take().is_some();
        server.life += u64::from(is_back);
        let mut is_news = is_back || server.slots != said.slots;
        server.slots = said.slots;
        server.told = asked;
        for claim in said.claims {
            match claim {
                Claim::Version(version) => server.version = version,
                Claim::Models(models) => {
                    let models: Arc<[ModelBeat]> = models.into_iter().map(facts::model).collect();
                    let hash = facts::hash(&models);
                    if hash != server.hash {
                        (server.models, server.hash, is_news) = (models, hash, true);
                    }
                }
                Claim::Resident(claims) => {
                    let resident: Vec<_> = claims.into_iter().map(facts::resident).collect();
                    is_news |= !facts::same_models(&resident, &server.resident);
                    server.resident = resident;
                }
                // No look claims these.
                Claim::Readings(..)
                | Claim::Slots(_)
                | Claim::Addresses(_)
                | Claim::Silent(_)
                | Claim::Unreachable(_) => {}
            }
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
        let is_news = server.figures != figures;
        server.figures = figures;
        drop(servers);
        if is_news {
            self.tell();
        }
    }

    /// It does not answer. Whether that is news.
    pub(crate) fn down(&self, port: u16, why: &str) -> bool {
        let mut servers = self.lock();
        let Some(server) = servers.get_mut(&port) else { return false };
        let is_news = server.down.as_deref() != Some(why);
        server.down = Some(why.to_owned());
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
