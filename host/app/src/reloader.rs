//! Keeps the live plugins what folder and configuration say: looks when a file changes, when asked, when a plugin
//! is in quarantine, and now and then. On a thread of its own, since compiling takes its time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use herdwick_plugin_host::{PluginHost, Report, Wanted};
use notify::{RecursiveMode, Watcher as _};

/// Several events of one save are one look.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// However many events follow each other, after so long there is a look: somebody may write there without end.
const PATIENCE: Duration = Duration::from_secs(2);
/// A look without any event: for file systems that announce nothing, and for quarantines that end.
const NET: Duration = Duration::from_secs(5);

/// Reads what is wanted now. A configuration that cannot be used leaves the one before in force.
pub(crate) type Read = Box<dyn FnMut() -> Result<Wanted, String> + Send>;

/// Why somebody wants a look.
enum Cause {
    Files,
    Asked(Sender<()>),
}

/// Asks for looks.
pub(crate) struct Reloader {
    causes: Mutex<Sender<Cause>>,
}

impl Reloader {
    /// Begins to look. A change in one of `folders` is a cause; those that do not exist yet are watched as soon
    /// as a look finds them.
    pub(crate) fn start(host: Arc<PluginHost>, folders: Vec<PathBuf>, read: Read) -> anyhow::Result<Self> {
        let (causes, looks) = mpsc::channel();
        let mut watch = Watch::new(folders, causes.clone());
        watch.begin();
        std::thread::Builder::new()
            .name("plugins".to_owned())
            .spawn(move || run(&host, &looks, read, watch))
            .context("the thread for plugins cannot start")?;
        Ok(Self { causes: Mutex::new(causes) })
    }

    /// Looks now, and returns when that is done.
    pub(crate) fn look(&self) {
        let (done, wait) = mpsc::channel();
        let asked = self.causes.lock().unwrap_or_else(PoisonError::into_inner).send(Cause::Asked(done));
        if asked.is_ok() {
            // An error means that the thread ended with the program.
            let _ = wait.recv();
        }
    }
}

/// File events as causes. Without them the slow look remains.
struct Watch {
    watcher: Option<notify::RecommendedWatcher>,
    /// Folders that are not watched yet.
    waiting: BTreeSet<PathBuf>,
}

impl Watch {
    fn new(folders: Vec<PathBuf>, causes: Sender<Cause>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // An error means that nobody looks any more.
                let _ = causes.send(Cause::Files);
            }
        });
        let watcher = watcher.map_err(|error| {
            tracing::warn!("file events are not available, files are looked at every 5 s: {error}");
        });
        Self { watcher: watcher.ok(), waiting: folders.into_iter().collect() }
    }

    /// Watches every folder that exists by now.
    fn begin(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.waiting.retain(|folder| {
            if !folder.is_dir() {
                return true;
            }
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!("{} is looked at every 5 s only: {error}", folder.display());
            }
            false
        });
    }
}

fn run(host: &PluginHost, looks: &Receiver<Cause>, mut read: Read, mut watch: Watch) {
    let mut told: Vec<String> = Vec::new();
    loop {
        let mut waiting = Vec::new();
        let cause = match looks.recv_timeout(NET) {
            Ok(Cause::Asked(done)) => {
                waiting.push(done);
                "asked"
            }
            Ok(Cause::Files) => {
                settle(looks, &mut waiting);
                "files changed"
            }
            Err(RecvTimeoutError::Timeout) => "time passed",
            Err(RecvTimeoutError::Disconnected) => return,
        };
        watch.begin();
        let report = match read() {
            Ok(wanted) => host.reload(cause, &wanted),
            Err(problem) => host.stay(cause, problem),
        };
        tell(&report, &mut told);
        for done in waiting {
            // Whoever asked may have left.
            let _ = done.send(());
        }
    }
}

/// Waits until no event came for a while, within reason.
fn settle(looks: &Receiver<Cause>, waiting: &mut Vec<Sender<()>>) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE
        && let Ok(cause) = looks.recv_timeout(DEBOUNCE)
    {
        if let Cause::Asked(done) = cause {
            waiting.push(done);
        }
    }
}

fn tell(report: &Report, told: &mut Vec<String>) {
    if report.swapped {
        tracing::info!(
            generation = report.generation.0,
            cause = report.cause,
            took_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            "plugin set swapped"
        );
    }
    tell_new(report.problems.clone(), told);
}

/// Each problem is told once, until it is gone.
fn tell_new(problems: Vec<String>, told: &mut Vec<String>) {
    for problem in problems.iter().filter(|problem| !told.contains(problem)) {
        tracing::warn!("{problem}");
    }
    *told = problems;
}
