//! The store as the program holds it: what is told is written soon, by another thread, and nobody waits for a disk who
//! does not ask to.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use herdwick_fleet::{Lesson, NodeId, Remembered, Subject};

use crate::error::StoreError;
use crate::folder::Folder;
use crate::learned::{BenchRun, Learnt, Weights};
use crate::migrate::STEPS;
use crate::open::{self, Ready};
use crate::record::Record;
use crate::writer::{Change, Inbox, Writer};

/// The file in the state folder.
const FILE: &str = "state.db";
/// How long the end of the program waits for the last write. A disk that takes longer is not waited for: the next start
/// finds what was there before.
const CLOSING: Duration = Duration::from_secs(2);

/// What is remembered, open.
#[derive(Debug)]
pub struct Store {
    inbox: Arc<Inbox>,
    /// Ends when the thread has let go of file and folder.
    closed: Mutex<Option<mpsc::Receiver<()>>>,
}

/// A store that was opened, and what it holds.
#[derive(Debug)]
pub struct Opened {
    /// To tell it more.
    pub store: Store,
    /// Every machine, by id.
    pub records: Vec<Record>,
    /// What was learned.
    pub learnt: Learnt,
    /// What an operator should know of how it went: that a broken file was set aside.
    pub warning: Option<String>,
}

impl Store {
    /// Takes the state folder and opens what is in it; makes both unless they are there. A broken file is set aside and
    /// begun anew, with a warning.
    ///
    /// # Errors
    /// The folder or the file cannot be used; nothing in it was changed.
    pub fn open(folder: &Path) -> Result<Opened, StoreError> {
        let folder = Folder::take(folder)?;
        let Ready { connection, records, learnt, warning } = open::open(&folder.file(FILE), &STEPS)?;
        let inbox = Arc::new(Inbox::default());
        let writer = Writer::new(connection, folder, &records, Arc::clone(&inbox));
        let (end, closed) = mpsc::channel();
        let run = move || {
            writer.run();
            // Whoever waits is told by the channel's end.
            drop(end);
        };
        std::thread::Builder::new().name("store".to_owned()).spawn(run).map_err(StoreError::Thread)?;
        Ok(Opened { store: Self { inbox, closed: Mutex::new(Some(closed)) }, records, learnt, warning })
    }

    /// Remembers a machine as it is now, in place of what was remembered of it. Never waits for a disk; what is told
    /// faster than it is written is written once.
    pub fn keep(&self, node: Remembered) {
        self.inbox.put(node.node, Change::Keep(Box::new(node)));
    }

    /// Remembers when machines were there, as far as they are kept. Sights within a minute of the one before are as good
    /// as that. Never waits for a disk.
    pub fn seen(&self, sights: impl IntoIterator<Item = (NodeId, SystemTime)>) {
        self.inbox.sight(sights);
    }

    /// Remembers nothing of a machine; what was learned of it is another matter. Never waits for a disk.
    pub fn forget(&self, node: NodeId) {
        self.inbox.put(node, Change::Forget);
    }

    /// Remembers what was learned, in place of what was remembered of the same, and of which weights. Never waits for a
    /// disk.
    pub fn learn(
        &self,
        lessons: impl IntoIterator<Item = Lesson>,
        weights: impl IntoIterator<Item = Weights>,
    ) {
        self.inbox.teach(|told| {
            told.learn(lessons, SystemTime::now());
            told.weigh(weights);
        });
    }

    /// Remembers a run, and what it taught: both, or, should everything end here, neither. Never waits for a disk.
    pub fn add_run(
        &self,
        run: BenchRun,
        lessons: impl IntoIterator<Item = Lesson>,
        weights: impl IntoIterator<Item = Weights>,
    ) {
        self.inbox.teach(|told| {
            told.learn(lessons, SystemTime::now());
            told.weigh(weights);
            told.add(run);
        });
    }

    /// Remembers nothing of what was learned of these. Never waits for a disk.
    pub fn unlearn(&self, subjects: impl IntoIterator<Item = Subject>) {
        self.inbox.teach(|told| told.forget(subjects));
    }

    /// Calls `done` as soon as everything that was told before survives whatever happens, or with why it could not be
    /// written; that is tried again then. Called on the thread that writes, which it must not keep.
    pub fn written(&self, done: impl FnOnce(Result<(), String>) + Send + 'static) {
        self.inbox.wait(Box::new(done));
    }

    /// Writes what is left and lets go of file and folder, within two seconds. What is told afterwards is lost.
    pub fn close(&self) {
        self.inbox.close();
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(mpsc::RecvTimeoutError::Timeout)) = closed.map(|closed| closed.recv_timeout(CLOSING))
        {
            tracing::warn!(
                "what was to be remembered last is not written within {} s, and is not waited for",
                CLOSING.as_secs()
            );
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
