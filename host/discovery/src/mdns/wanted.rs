//! What is wanted of the task: a state that it makes come true, and no queue of orders. Nothing can be lost, overtaken or
//! pile up, and after a new beginning all of it is said again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::HerdCard;
use crate::card::{Card, Fingerprint, Role};

/// One thing that this program says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    /// To others of us.
    Card(Card),
    /// To agents of Ollama Herd.
    Herd(HerdCard),
}

impl Saying {
    /// What it says to others of us, if it does.
    pub(super) fn card(&self) -> Option<&Card> {
        match self {
            Self::Card(card) => Some(card),
            Self::Herd(_) => None,
        }
    }
}

/// All that is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// One entry for each that is held; two of them may be the same.
    pub(super) sayings: Vec<Saying>,
    /// Roles that somebody looks for.
    pub(super) roles: BTreeSet<Role>,
    /// Somebody looks for routers of Ollama Herd.
    pub(super) herd: bool,
    /// Somebody wants the network to be asked again.
    pub(super) ask: bool,
    /// Keys that are known here.
    pub(super) known: Vec<Fingerprint>,
    /// Nobody wants anything any more.
    pub(super) over: bool,
}

/// Between those who want something and the task.
#[derive(Default)]
pub(super) struct Wanted {
    wish: Mutex<Wish>,
    changed: Notify,
}

impl Wanted {
    /// Wants something else.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Wish) -> T) {
        // A holder that panicked left a wish that is as good as any.
        change(&mut self.wish.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// What is wanted now. A wish to ask is taken with it.
    pub(super) fn take(&self) -> Wish {
        let mut wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        let now = wish.clone();
        wish.ask = false;
        now
    }

    /// Waits for a change since the last [`Self::take`]. There is one task that waits.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Wish {
    /// One that holds it lets go of it.
    pub(super) fn unsay(&mut self, saying: &Saying) {
        if let Some(at) = self.sayings.iter().position(|other| other == saying) {
            self.sayings.remove(at);
        }
    }
}
