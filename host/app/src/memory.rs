//! Connects the keeper of the fleet with the store: opens it beside everything else that takes its time at the start,
//! and says what to do where it cannot be had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use herdwick_control::{Memory, NoMemory};
use herdwick_fleet::{Moment, NodeId, Remembered, Snapshot};
use herdwick_store::{Opened, Record, Store, StoreError};

use crate::config::Paths;
use crate::failed::Failed;

/// Between two looks at who is there. The store writes a sight of each machine once a minute at most.
const LOOK: Duration = Duration::from_secs(30);

/// What is remembered, for as long as the router runs.
#[derive(Default)]
pub(crate) struct Remembering {
    kept: Option<Arc<Kept>>,
}

/// The store as the keeper wants it.
struct Kept {
    store: Store,
    /// What it held; asked for once.
    found: Mutex<Vec<Remembered>>,
    /// When each machine was there last before this router.
    sights: BTreeMap<NodeId, SystemTime>,
}

impl Remembering {
    fn new(opened: Opened) -> Self {
        let sight = |record: &Record| Some((record.node.node, record.last_seen?));
        let sights = opened.records.iter().filter_map(sight).collect();
        let found = Mutex::new(opened.records.into_iter().map(|record| record.node).collect());
        Self { kept: Some(Arc::new(Kept { store: opened.store, found, sights })) }
    }

    /// For the keeper.
    pub(crate) fn memory(&self) -> Arc<dyn Memory> {
        match &self.kept {
            Some(kept) => Arc::clone(kept) as _,
            None => Arc::new(NoMemory),
        }
    }

    /// Remembers who was there when, for as long as the runtime lives. `start` is the zero of the router's clock.
    pub(crate) fn watch(
        &self,
        fleet: Arc<ArcSwap<Snapshot>>,
        start: Instant,
    ) -> impl Future<Output = ()> + use<> {
        let kept = self.kept.clone();
        async move {
            let Some(kept) = kept else { return };
            loop {
                tokio::time::sleep(LOOK).await;
                kept.store.seen(sights(&fleet.load(), Moment::on(start, Instant::now()), SystemTime::now()));
            }
        }
    }

    /// Writes what is left, and who is there now. What the keeper tells afterwards is lost.
    pub(crate) fn close(&self, fleet: &Snapshot, start: Instant) {
        if let Some(kept) = &self.kept {
            kept.store.seen(sights(fleet, Moment::on(start, Instant::now()), SystemTime::now()));
            kept.store.close();
        }
    }
}

impl Memory for Kept {
    fn load(&self) -> Vec<Remembered> {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, node: &Remembered) {
        self.store.keep(node.clone());
    }

    fn forget(&self, node: NodeId) {
        self.store.forget(node);
    }

    fn last_seen(&self, node: NodeId) -> Option<Duration> {
        // By a clock that was set back it was in the future, which is as good as now.
        Some(SystemTime::now().duration_since(*self.sights.get(&node)?).unwrap_or_default())
    }

    fn safe(&self, then: Box<dyn FnOnce() + Send>) {
        // That it could not be written the store has told already, and it tries again.
        self.store.written(|_| then());
    }
}

/// When each machine was there last, by this machine's clock: its agent spoke, or a server of it answered.
fn sights(fleet: &Snapshot, now: Moment, clock: SystemTime) -> BTreeMap<NodeId, SystemTime> {
    let mut last: BTreeMap<NodeId, Moment> = BTreeMap::new();
    let beats = fleet.nodes().iter().filter_map(|node| Some((node.id, node.live.beat()?)));
    let answers = fleet.backends().iter().filter_map(|backend| Some((backend.id.node, backend.seen?)));
    for (node, at) in beats.chain(answers) {
        let last = last.entry(node).or_insert(at);
        *last = at.max(*last);
    }
    last.into_iter().filter_map(|(node, at)| Some((node, clock.checked_sub(now.since(at))?))).collect()
}

/// What is remembered, on its way.
pub(crate) struct Opening {
    folder: PathBuf,
    /// Somebody named the folder: then there is no going on without it.
    is_named: bool,
    thread: JoinHandle<Result<Opened, StoreError>>,
}

impl Opening {
    /// Begins. `None` where nothing can be remembered, which is said.
    pub(crate) fn begin(paths: &Paths) -> anyhow::Result<Option<Self>> {
        let Some(folder) = paths.state_dir() else {
            tracing::warn!(
                "nothing will be remembered: no home folder is known here; name a folder with --state-dir DIR"
            );
            return Ok(None);
        };
        let path = folder.clone();
        let thread = std::thread::Builder::new().name("opening".to_owned()).spawn(move || Store::open(&path));
        let thread = thread.map_err(StoreError::Thread).map_err(|error| refused(error, &folder))?;
        Ok(Some(Self { folder, is_named: paths.state_dir_is_named, thread }))
    }

    /// What is remembered; nothing where the router can do without, which is said.
    pub(crate) fn end(self) -> anyhow::Result<Remembering> {
        let Self { folder, is_named, thread } = self;
        let opened = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match opened {
            Ok(opened) => {
                if let Some(warning) = &opened.warning {
                    tracing::warn!("{warning}");
                }
                Ok(Remembering::new(opened))
            }
            Err(error @ StoreError::Folder { .. }) if !is_named => {
                let why = std::error::Error::source(&error).map_or(String::new(), |why| format!(": {why}"));
                tracing::warn!(
                    "nothing will be remembered: {error}{why}; name a folder with --state-dir DIR that this user may write"
                );
                Ok(Remembering::default())
            }
            Err(error) => Err(refused(error, &folder)),
        }
    }
}

/// The error with what to do next.
fn refused(error: StoreError, folder: &Path) -> anyhow::Error {
    let next = match &error {
        StoreError::InUse { .. } => {
            "use that one (`herdwick status` shows it), or give this one a folder of its own: --state-dir DIR"
                .to_owned()
        }
        StoreError::Newer { .. } => {
            let copies = folder.join("state.db.before-*");
            format!(
                "run the newer version; to go back, move the file away and take the copy that it made of the one before ({}), or begin without: --state-dir DIR",
                copies.display()
            )
        }
        StoreError::Foreign { .. } => "move it away, or choose another folder: --state-dir DIR".to_owned(),
        StoreError::Open { .. } => {
            "end what the cause names: make room on its disk, close it elsewhere, or make it writable for this user"
                .to_owned()
        }
        StoreError::Folder { .. } => {
            "make the folder and what is in it writable for this user, or choose another: --state-dir DIR"
                .to_owned()
        }
        StoreError::Backup { .. } => "make room for a copy beside it, and start again".to_owned(),
        StoreError::SetAside { .. } => "move it away, and start again".to_owned(),
        StoreError::Thread(_) => "let this user start more threads, and start again".to_owned(),
    };
    let what = error.to_string();
    match cause(error) {
        Some(why) => Failed::because(anyhow::anyhow!(why), what, next),
        None => Failed::plainly(what, next),
    }
}

fn cause(error: StoreError) -> Option<String> {
    std::error::Error::source(&error).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use herdwick_fleet::{Claim, Fleet, Listing, Observation, Origin, Source};

    use super::*;

    #[test]
    fn a_machine_was_there_when_a_server_of_it_answered_last() {
        let mut fleet = Fleet::default();
        let mut add = |name: &str| {
            let origin = Origin { host: name.to_owned(), port: 1 };
            let (labels, source) = (BTreeMap::new(), Source::Configured);
            let listed = fleet.list(Listing { name: name.to_owned(), origin, slots: None, labels, source });
            listed.expect("there is room").0
        };
        let (seen, _never) = (add("seen"), add("never"));
        let claim = Claim::Version("1".to_owned());
        fleet.observe(Observation { backend: seen, at: Moment(5_000), claim });
        let at = UNIX_EPOCH + Duration::from_secs(100);
        let told = sights(&fleet.snapshot(), Moment(12_000), at);
        assert_eq!(told, BTreeMap::from([(seen.node, at - Duration::from_secs(7))]));
    }
}
