//! Where the rest of the program turns to about the fleet: it hands reports and wishes to the keeper, the fleet's only
//! owner, and brings back its answer. Knows no HTTP and holds no state.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use herdwick_fleet::{Listing, ModelName, Observation, Refusal, Report};
use tokio::sync::{mpsc, oneshot};

use crate::ingest::{Desk, Heard, Unheard};

/// Commands that may wait for the keeper. It takes microseconds for each, so a full line means a flood, and whoever
/// sends one too many is told to come again.
const PENDING: usize = 1_024;

/// What the keeper is told, with where its answer goes.
pub(crate) enum Command {
    /// A heartbeat.
    Report(Box<Report>, Reply<Option<Heard>>),
    /// What somebody found who asked a server.
    Observe(Observation),
    /// What the operator wants.
    Wish(Wish, Reply<Granted>),
}

/// Whether a wish was met.
pub(crate) type Granted = Result<(), Refusal>;

/// Where an answer goes. Whoever asked may be gone.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the operator, or somebody who found a machine, wants of the fleet.
#[derive(Debug)]
pub(crate) enum Wish {
    List(Listing),
    Remove(String),
    Forget(String),
    Drain(String),
    Undrain(String),
    Label(String, BTreeMap<String, String>),
    Rename { from: String, to: String },
    Pin(String, ModelName),
    Unpin(String, ModelName),
}

/// Hands reports and wishes to the keeper.
#[derive(Clone)]
pub struct FleetDesk {
    keeper: mpsc::Sender<Command>,
}

/// Why the keeper did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// It has too much to do. Whoever reports comes again anyway.
    #[error("the keeper of the fleet has too much to do; try again")]
    Busy,
    /// The program ends.
    #[error("the router is stopping")]
    Gone,
    /// It cannot be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl FleetDesk {
    /// A desk, and where what is handed in comes out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (keeper, commands) = mpsc::channel(PENDING);
        (Self { keeper }, commands)
    }

    /// Hands in what somebody found who asked a server.
    ///
    /// # Errors
    /// The keeper has too much to do, or is gone.
    pub fn observe(&self, observation: Observation) -> Result<(), DeskError> {
        self.hand_in(Command::Observe(observation))
    }

    /// As [`FleetDesk::observe`], and waits for room: whoever asks again and again has time.
    pub(crate) async fn observe_patiently(&self, observation: Observation) -> Result<(), DeskError> {
        self.keeper.send(Command::Observe(observation)).await.map_err(|_| DeskError::Gone)
    }

    /// Adds a server without an agent. Where its machine is known already, what is said of it goes there.
    ///
    /// # Errors
    /// It is there already, cannot be called so, or there is no room.
    pub async fn list(&self, listing: Listing) -> Result<(), DeskError> {
        self.wish(Wish::List(listing)).await
    }

    /// Takes out a machine that was added, or that reports no more.
    ///
    /// # Errors
    /// Nobody is called so, or something would bring it back.
    pub async fn remove(&self, node: &str) -> Result<(), DeskError> {
        self.wish(Wish::Remove(node.to_owned())).await
    }

    /// Forgets a machine that reports no more, with all that commands said of it.
    ///
    /// # Errors
    /// Nobody is called so, or something would bring it back.
    pub async fn forget(&self, node: &str) -> Result<(), DeskError> {
        self.wish(Wish::Forget(node.to_owned())).await
    }

    /// Has a machine take no new work; what runs there may end.
    ///
    /// # Errors
    /// Nobody is called so.
    pub async fn drain(&self, node: &str) -> Result<(), DeskError> {
        self.wish(Wish::Drain(node.to_owned())).await
    }

    /// Has a machine take new work again.
    ///
    /// # Errors
    /// Nobody is called so.
    pub async fn undrain(&self, node: &str) -> Result<(), DeskError> {
        self.wish(Wish::Undrain(node.to_owned())).await
    }

    /// Says what the operator calls a machine's properties, in place of what was said before.
    ///
    /// # Errors
    /// Nobody is called so, or there are too many.
    pub async fn label(&self, node: &str, labels: BTreeMap<String, String>) -> Result<(), DeskError> {
        self.wish(Wish::Label(node.to_owned(), labels)).await
    }

    /// Wants a model in a machine's memory, whatever comes, also after a restart.
    ///
    /// # Errors
    /// Nobody is called so, it does not have the model, or too many are pinned there.
    pub async fn pin(&self, node: &str, model: &ModelName) -> Result<(), DeskError> {
        self.wish(Wish::Pin(node.to_owned(), model.clone())).await
    }

    /// Lets a model go from a machine's memory when others are worth more.
    ///
    /// # Errors
    /// Nobody is called so.
    pub async fn unpin(&self, node: &str, model: &ModelName) -> Result<(), DeskError> {
        self.wish(Wish::Unpin(node.to_owned(), model.clone())).await
    }

    /// Calls a machine otherwise.
    ///
    /// # Errors
    /// Nobody is called so, or another is called as wanted.
    pub async fn rename(&self, node: &str, name: &str) -> Result<(), DeskError> {
        self.wish(Wish::Rename { from: node.to_owned(), to: name.to_owned() }).await
    }

    async fn wish(&self, wish: Wish) -> Result<(), DeskError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Command::Wish(wish, reply))?;
        Ok(answer.await.map_err(|_| DeskError::Gone)??)
    }

    fn hand_in(&self, command: Command) -> Result<(), DeskError> {
        self.keeper.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DeskError::Busy,
            mpsc::error::TrySendError::Closed(_) => DeskError::Gone,
        })
    }
}

impl Desk for FleetDesk {
    /// Never waits for room: the agent's next beat is its retry.
    fn report(&self, report: Report) -> Pin<Box<dyn Future<Output = Result<Heard, Unheard>> + Send + '_>> {
        let (reply, answer) = oneshot::channel();
        let handed = self.hand_in(Command::Report(Box::new(report), reply));
        Box::pin(async move {
            handed.map_err(|_| Unheard::Busy)?;
            answer.await.map_err(|_| Unheard::Busy)?.ok_or(Unheard::NoRoom)
        })
    }
}
