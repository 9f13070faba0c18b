//! Connects the keeper of the fleet with the store: opens it beside everything else that takes its time at the start,
//! and says what to do where it cannot be had.

mod runs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use herdwick_control::{Memory, NoMemory};
use herdwick_fleet::{BackendId, Learned, ModelName, Moment, News, NodeId, Remembered, Snapshot};
use herdwick_store::{Learnt, Opened, Record, Store, StoreError, Weights};
use herdwick_wire::bench::BenchRunView;
use tokio::time::MissedTickBehavior;

use crate::config::Paths;
use crate::failed::Failed;
use crate::memory::runs::Runs;

/// Between two looks at who is there. The store writes a sight of each machine once a minute at most.
const LOOK: Duration = Duration::from_secs(30);

/// Between two looks at what was learned: so much is lost at most when the router is killed.
const LEARNED: Duration = Duration::from_secs(5);

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
    /// What is learned now, and the zero of the clock that it is learned by.
    learned: OnceLock<(Arc<Learned>, Instant)>,
    runs: Mutex<Runs>,
    /// What was learned before; put back once.
    learnt: Mutex<Learnt>,
}

impl Remembering {
    fn new(opened: Opened) -> Self {
        let sight = |record: &Record| Some((record.node.node, record.last_seen?));
        let sights = opened.records.iter().filter_map(sight).collect();
        let found = Mutex::new(opened.records.into_iter().map(|record| record.node).collect());
        let mut learnt = opened.learnt;
        let runs = Mutex::new(Runs::new(std::mem::take(&mut learnt.runs)));
        let learnt = Mutex::new(learnt);
        let kept = Kept { store: opened.store, found, sights, learned: OnceLock::new(), runs, learnt };
        Self { kept: Some(Arc::new(kept)) }
    }

    /// Puts back what was learned, before anything is decided, and remembers from now on what is. `start` is the zero of
    /// the router's clock.
    pub(crate) fn learn(&self, learned: &Arc<Learned>, start: Instant) {
        let Some(kept) = &self.kept else { return };
        let learnt = std::mem::take(&mut *kept.learnt.lock().unwrap_or_else(PoisonError::into_inner));
        let now = Moment::on(start, Instant::now());
        let left_out = learned.restore(learnt.lessons, now);
        if left_out > 0 {
            tracing::warn!(
                "{left_out} figures that were learned cannot be true or find no room, and are left out"
            );
        }
        let weights = learnt.weights.into_iter().map(|it| (it.backend, it.model, it.digest.into()));
        learned.restore_weights(weights);
        // Nobody else says it, so that it is said once.
        let _ = kept.learned.set((Arc::clone(learned), start));
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
            let (mut looks, mut lessons) = (interval(LOOK), interval(LEARNED));
            loop {
                tokio::select! {
                    _ = looks.tick() => {
                        let now = Moment::on(start, Instant::now());
                        kept.store.seen(sights(&fleet.load(), now, SystemTime::now()));
                    }
                    _ = lessons.tick() => kept.keep_learned(),
                }
            }
        }
    }

    /// Writes what is left, and who is there now. What the keeper tells afterwards is lost.
    pub(crate) fn close(&self, fleet: &Snapshot, start: Instant) {
        if let Some(kept) = &self.kept {
            kept.store.seen(sights(fleet, Moment::on(start, Instant::now()), SystemTime::now()));
            kept.keep_learned();
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

    fn keep_learned(&self) {
        let Some((learned, start)) = self.learned.get() else { return };
        let News { forgotten, lessons, weights } = learned.take_news(Moment::on(*start, Instant::now()));
        if !forgotten.is_empty() {
            self.store.unlearn(forgotten);
        }
        if !lessons.is_empty() || !weights.is_empty() {
            self.store.learn(lessons, weights.into_iter().map(as_kept));
        }
    }

    fn add_run(&self, node: NodeId, run: BenchRunView) {
        let Some((learned, start)) = self.learned.get() else { return };
        let run = runs::kept(run, node, SystemTime::now());
        let News { forgotten, lessons, weights } = learned.take_news(Moment::on(*start, Instant::now()));
        if !forgotten.is_empty() {
            self.store.unlearn(forgotten);
        }
        self.store.add_run(run.clone(), lessons, weights.into_iter().map(as_kept));
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).add(run);
    }

    fn runs(&self) -> Vec<BenchRunView> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).views(SystemTime::now())
    }

    fn safe(&self, then: Box<dyn FnOnce() + Send>) {
        // That it could not be written the store has told already, and it tries again.
        self.store.written(|_| then());
    }
}

fn as_kept((backend, model, digest): (BackendId, ModelName, Arc<str>)) -> Weights {
    Weights { backend, model, digest: digest.to_string() }
}

fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    // The first look is due a period from now, and whoever slept looks once.
    interval.reset();
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
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
