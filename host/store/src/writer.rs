//! The thread that owns the connection: writes what was told, all that came meanwhile in one transaction. A disk that
//! does not take it is asked again; nothing that was told is given up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use herdwick_fleet::{NodeId, Remembered};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::folder::Folder;
use crate::learned;
use crate::record::{Record, seconds};
use crate::write;

/// Machines that are remembered. More are strangers who make up new names.
const MOST: usize = 10_000;
/// Sights of a machine are written this far apart: so its last one is known to the minute, and a disk that sleeps may.
const SIGHTS_S: u64 = 60;
/// After a write that failed, the next try, unless somebody waits for it.
const AGAIN: Duration = Duration::from_secs(5);

/// What is to be written of a machine.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// All of it, in place of what there is.
    Keep(Box<Remembered>),
    /// Nothing any more.
    Forget,
}

/// Told how a write went.
pub(crate) type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

/// What was told and is not written yet. The last word on each machine counts, so that it holds no more than there are
/// machines, however slow the disk is: a channel would be full one day, and then a drain would be lost or the fleet's
/// keeper would wait.
#[derive(Default)]
pub(crate) struct Inbox {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    changes: BTreeMap<NodeId, Change>,
    sights: BTreeMap<NodeId, SystemTime>,
    learned: learned::Told,
    waiting: Vec<Done>,
    closed: bool,
}

impl Inbox {
    /// Takes a change in.
    pub(crate) fn put(&self, node: NodeId, change: Change) {
        self.told().changes.insert(node, change);
        self.changed.notify_one();
    }

    /// Takes in when machines were there.
    pub(crate) fn sight(&self, sights: impl IntoIterator<Item = (NodeId, SystemTime)>) {
        self.told().sights.extend(sights);
        self.changed.notify_one();
    }

    /// Takes in what was learned, or is to be forgotten.
    pub(crate) fn teach(&self, tell: impl FnOnce(&mut learned::Told)) {
        tell(&mut self.told().learned);
        self.changed.notify_one();
    }

    /// Has somebody told when all that is in it is written.
    pub(crate) fn wait(&self, done: Done) {
        let mut told = self.told();
        if told.closed {
            drop(told);
            return done(Err("the program is ending".to_owned()));
        }
        told.waiting.push(done);
        self.changed.notify_one();
    }

    /// Has the writer write what is left and end.
    pub(crate) fn close(&self) {
        self.told().closed = true;
        self.changed.notify_one();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // What is in it is whole after every statement.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, and takes it. After a failure the same is not tried again at once.
    fn take(&self, failed: bool) -> Told {
        let idle = |told: &mut Told| {
            let is_told = !(told.changes.is_empty() && told.sights.is_empty() && told.learned.is_empty());
            !is_told && told.waiting.is_empty() && !told.closed
        };
        let lazy = |told: &mut Told| told.waiting.is_empty() && !told.closed;
        let told = self.told();
        let mut told = if failed {
            let waited = self.changed.wait_timeout_while(told, AGAIN, lazy);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.changed.wait_while(told, idle).unwrap_or_else(PoisonError::into_inner)
        };
        Told {
            changes: std::mem::take(&mut told.changes),
            sights: std::mem::take(&mut told.sights),
            learned: std::mem::take(&mut told.learned),
            waiting: std::mem::take(&mut told.waiting),
            closed: told.closed,
        }
    }

    /// Puts back what could not be written, where nothing newer was told.
    fn put_back(&self, batch: Batch) {
        let mut told = self.told();
        for (node, change) in batch.changes {
            told.changes.entry(node).or_insert(change);
        }
        for (node, sight) in batch.sights {
            told.sights.entry(node).or_insert(sight);
        }
        told.learned.put_back(batch.learned);
    }
}

/// What is written in one transaction.
struct Batch {
    changes: BTreeMap<NodeId, Change>,
    sights: BTreeMap<NodeId, SystemTime>,
    learned: learned::Told,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The thread's own.
pub(crate) struct Writer {
    connection: Connection,
    /// What the file says, so that the same is not written twice.
    kept: BTreeMap<NodeId, Kept>,
    inbox: Arc<Inbox>,
    /// Whether the last write failed; said once.
    failing: bool,
    /// Whether strangers were turned away; said once.
    full: bool,
    /// Let go of when everything is written.
    _folder: Folder,
}

/// What the file says of a machine.
struct Kept {
    node: Remembered,
    last_seen: Option<SystemTime>,
}

impl Writer {
    /// `records` is what the file says.
    pub(crate) fn new(connection: Connection, folder: Folder, records: &[Record], inbox: Arc<Inbox>) -> Self {
        let kept = |record: &Record| Kept { node: record.node.clone(), last_seen: record.last_seen };
        let kept = records.iter().map(|record| (record.node.node, kept(record))).collect();
        Self { connection, kept, inbox, failing: false, full: false, _folder: folder }
    }

    /// Writes until it is told to end.
    pub(crate) fn run(mut self) {
        loop {
            let Told { mut changes, mut sights, learned, waiting, closed } = self.inbox.take(self.failing);
            let mut room = MOST.saturating_sub(self.kept.len());
            changes.retain(|node, change| self.is_news(*node, change, &mut room));
            sights.retain(|node, sight| self.is_later(*node, *sight, &changes));
            let batch = Batch { changes, sights, learned };
            let result = self.write(&batch).map_err(|error| error.to_string());
            self.tell(result.as_ref().err());
            match &result {
                Ok(()) => self.note(batch),
                Err(_) => self.inbox.put_back(batch),
            }
            for done in waiting {
                done(result.clone());
            }
            if closed {
                return;
            }
        }
    }

    /// Whether the file says something else. A machine that is new takes of the room that there is.
    fn is_news(&mut self, node: NodeId, change: &Change, room: &mut usize) -> bool {
        let kept = self.kept.get(&node);
        let Change::Keep(told) = change else { return kept.is_some() };
        match kept {
            Some(kept) => kept.node != **told,
            None if *room > 0 => {
                *room -= 1;
                true
            }
            None => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!(
                        "{MOST} machines are remembered, and no more will be; `herdwick nodes forget` makes room"
                    );
                }
                false
            }
        }
    }

    /// Whether a machine that is kept was seen long enough after the sight that the file knows. A clock that was set
    /// back counts as well.
    fn is_later(&self, node: NodeId, sight: SystemTime, changes: &BTreeMap<NodeId, Change>) -> bool {
        let before = match (self.kept.get(&node), changes.get(&node)) {
            (_, Some(Change::Forget)) | (None, None) => return false,
            (kept, _) => kept.and_then(|kept| kept.last_seen),
        };
        before.is_none_or(|before| seconds(before).abs_diff(seconds(sight)) >= SIGHTS_S)
    }

    /// All or nothing.
    fn write(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let Batch { changes, sights, learned } = batch;
        if changes.is_empty() && sights.is_empty() && learned.is_empty() {
            return Ok(());
        }
        let now = SystemTime::now();
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (node, change) in changes {
            // A record that breaks a rule of the file would be refused for ever, and all others with it.
            let one = transaction.savepoint()?;
            let written = match change {
                Change::Keep(told) => write::keep(&one, told, now),
                Change::Forget => write::forget(&one, *node),
            };
            match written {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    tracing::warn!("the machine {node} cannot be remembered: {error}");
                }
                written => written.and_then(|()| one.commit())?,
            }
        }
        for (node, sight) in sights {
            write::seen(&transaction, *node, *sight)?;
        }
        learned::write::all(&transaction, learned)?;
        transaction.commit()
    }

    fn note(&mut self, Batch { changes, sights, learned }: Batch) {
        let (lessons, runs) = (learned.lessons.len(), learned.runs.len());
        if !learned.is_empty() {
            tracing::debug!(lessons, runs, forgotten = learned.forgotten.len(), "what was learned is kept");
        }
        for (node, change) in changes {
            match change {
                Change::Keep(told) => {
                    let last_seen = self.kept.get(&node).and_then(|kept| kept.last_seen);
                    self.kept.insert(node, Kept { node: *told, last_seen });
                }
                Change::Forget => {
                    self.kept.remove(&node);
                }
            }
        }
        for (node, sight) in sights {
            if let Some(kept) = self.kept.get_mut(&node) {
                kept.last_seen = Some(sight);
            }
        }
    }

    /// Says once that nothing can be written, and once that it can again.
    fn tell(&mut self, error: Option<&String>) {
        match error {
            Some(error) if !self.failing => tracing::warn!(
                "what is to be remembered cannot be written: {error}; it is tried again every {} s",
                AGAIN.as_secs()
            ),
            None if self.failing => tracing::info!("what is to be remembered is written again"),
            _ => {}
        }
        self.failing = error.is_some();
    }
}
