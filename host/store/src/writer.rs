//! The thread that owns the connection: writes what was told, all that came meanwhile in one transaction. A disk that
//! does not take it is asked again; nothing that was told is given up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdwick_fleet::NodeId;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::folder::Folder;
use crate::record::{Record, seconds};
use crate::write;

/// Machines that are remembered. More are strangers who make up new names.
const MOST: usize = 10_000;
/// A machine that nothing is new of is written this often, so that its last sight is known to the minute.
const SIGHT_S: u64 = 60;
/// After a write that failed, the next try, unless somebody waits for it.
const AGAIN: Duration = Duration::from_secs(5);

/// What is to be written of a machine.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// All of it, in place of what there is.
    Keep(Box<Record>),
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
    waiting: Vec<Done>,
    closed: bool,
}

impl Inbox {
    /// Takes a change in.
    pub(crate) fn put(&self, node: NodeId, change: Change) {
        self.told().changes.insert(node, change);
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
        let idle = |told: &mut Told| told.changes.is_empty() && told.waiting.is_empty() && !told.closed;
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
            waiting: std::mem::take(&mut told.waiting),
            closed: told.closed,
        }
    }

    /// Puts back what could not be written, where nothing newer was told.
    fn put_back(&self, changes: BTreeMap<NodeId, Change>) {
        let mut told = self.told();
        for (node, change) in changes {
            if let Entry::Vacant(free) = told.changes.entry(node) {
                free.insert(change);
            }
        }
    }
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
    written: BTreeMap<NodeId, Record>,
    inbox: Arc<Inbox>,
    /// Whether the last write failed; said once.
    failing: bool,
    /// Whether strangers were turned away; said once.
    full: bool,
    /// Let go of when everything is written.
    _folder: Folder,
}

impl Writer {
    /// `records` is what the file says.
    pub(crate) fn new(connection: Connection, folder: Folder, records: &[Record], inbox: Arc<Inbox>) -> Self {
        let written = records.iter().map(|record| (record.id, record.clone())).collect();
        Self { connection, written, inbox, failing: false, full: false, _folder: folder }
    }

    /// Writes until it is told to end.
    pub(crate) fn run(mut self) {
        loop {
            let Told { mut changes, waiting, closed } = self.inbox.take(self.failing);
            changes.retain(|node, change| self.is_news(*node, change));
            let result = self.write(&changes).map_err(|error| error.to_string());
            self.tell(result.as_ref().err());
            match &result {
                Ok(()) => self.note(changes),
                Err(_) => self.inbox.put_back(changes),
            }
            for done in waiting {
                done(result.clone());
            }
            if closed {
                return;
            }
        }
    }

    /// Whether the file says something else.
    fn is_news(&mut self, node: NodeId, change: &Change) -> bool {
        let written = self.written.get(&node);
        let Change::Keep(record) = change else { return written.is_some() };
        match written {
            Some(written) => differs(written, record),
            None if self.written.len() < MOST => true,
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

    /// All or nothing.
    fn write(&mut self, changes: &BTreeMap<NodeId, Change>) -> rusqlite::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (node, change) in changes {
            // A record that breaks a rule of the file would be refused for ever, and all others with it.
            let one = transaction.savepoint()?;
            let written = match change {
                Change::Keep(record) => write::keep(&one, record),
                Change::Forget => write::forget(&one, *node),
            };
            match written {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    tracing::warn!("the machine {node} cannot be remembered: {error}");
                }
                written => written.and_then(|()| one.commit())?,
            }
        }
        transaction.commit()
    }

    fn note(&mut self, changes: BTreeMap<NodeId, Change>) {
        for (node, change) in changes {
            match change {
                Change::Keep(record) => self.written.insert(node, *record),
                Change::Forget => self.written.remove(&node),
            };
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

/// Whether a record is worth a write: anything but that the machine was seen a little later.
fn differs(written: &Record, record: &Record) -> bool {
    let seen = |record: &Record| record.last_seen.map(seconds);
    let later = match (seen(written), seen(record)) {
        (Some(before), Some(now)) => before.abs_diff(now) >= SIGHT_S,
        (before, now) => before.is_none() && now.is_some(),
    };
    let drained = |record: &Record| record.drained.map(seconds);
    let rest =
        |record: &Record| Record { first_seen: None, last_seen: None, drained: None, ..record.clone() };
    later || drained(written) != drained(record) || rest(written) != rest(record)
}
