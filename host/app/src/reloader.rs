//! Keeps the live plugins what folder and configuration say: looks when a file changes, when asked, when a plugin
//! is in quarantine, and now and then. On a thread of its own, since compiling takes its time.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use herdwick_plugin_host::{PluginHost, Report, Wanted};
use notify::{RecursiveMode, Watcher as _};

/// Several events of one save are one look.
const DEBOUNCE: Duration = Duration::from_millis(200);
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
    /// Kept alive: it sends the events.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Reloader {
    /// Begins to look. `watched` are folders; one that does not exist yet is watched by its parent.
    pub(crate) fn start(host: Arc<PluginHost>, watched: &[PathBuf], read: Read) -> anyhow::Result<Self> {
        let (causes, looks) = mpsc::channel();
        let watcher = watch(watched, causes.clone());
        std::thread::Builder::new()
            .name("plugins".to_owned())
            .spawn(move || run(&host, &looks, read))
            .context("the thread for plugins cannot start")?;
        Ok(Self { causes: Mutex::new(causes), _watcher: watcher })
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
fn watch(folders: &[PathBuf], causes: Sender<Cause>) -> Option<notify::RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // An error means that nobody looks any more.
            let _ = causes.send(Cause::Files);
        }
    });
    let mut watcher = watcher
        .map_err(|error| {
            tracing::warn!("file events are not available, files are looked at every 5 s: {error}")
        })
        .ok()?;
    for folder in folders {
        let Some(there) = nearest_existing(folder) else { continue };
        if let Err(error) = watcher.watch(there, RecursiveMode::NonRecursive) {
            tracing::warn!("{} cannot be watched, it is looked at every 5 s: {error}", there.display());
        }
    }
    Some(watcher)
}

/// The folder, or the nearest above it that exists.
fn nearest_existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|path| path.is_dir())
}

fn run(host: &PluginHost, looks: &Receiver<Cause>, mut read: Read) {
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
        match read() {
            Ok(wanted) => tell(&host.reload(cause, &wanted), &mut told),
            Err(problem) => tell_new(vec![problem], &mut told),
        }
        for done in waiting {
            // Whoever asked may have left.
            let _ = done.send(());
        }
    }
}

/// Waits until no event came for a while.
fn settle(looks: &Receiver<Cause>, waiting: &mut Vec<Sender<()>>) {
    while let Ok(cause) = looks.recv_timeout(DEBOUNCE) {
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
