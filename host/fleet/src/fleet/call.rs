//! Whom the router asks itself, since no agent tells, or since an agent's word is not enough.

use std::sync::Arc;

use super::Fleet;
use super::member::Doubt;
use crate::backend::BackendKind;
use crate::id::{BackendId, Generation};
use crate::node::Origin;
use crate::standing::Standing;

/// A server to be asked again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    /// Who it is.
    pub backend: BackendId,
    /// Where it listens.
    pub origin: Arc<Origin>,
    /// What each request must carry.
    pub bearer: Option<Arc<str>>,
    /// Which API it speaks.
    pub kind: BackendKind,
    /// How often.
    pub rhythm: Rhythm,
}

/// How often a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// As whoever asks does usually.
    Steady,
    /// At once, and with little patience: its agent fell silent, and requests may be on their way to it.
    Urgent,
    /// Now and then: nobody counts on it.
    Seldom,
}

impl Fleet {
    /// Moves when [`Fleet::callees`] answers otherwise than before.
    pub fn calling(&self) -> Generation {
        self.calling
    }

    /// Whom to ask. Whoever is not among them needs not be asked.
    pub fn callees(&self) -> Vec<Callee> {
        let members = self.members.values().filter_map(|member| {
            let backend = &member.backend;
            let rhythm = match backend.node.standing {
                Standing::Plain => Rhythm::Steady,
                Standing::Online | Standing::Held { .. } if member.doubt == Doubt::None => return None,
                Standing::Online | Standing::Held { .. } => Rhythm::Steady,
                // It said that it leaves, and is gone.
                Standing::Stale | Standing::Lost if backend.node.draining.by_agent => return None,
                Standing::Stale => Rhythm::Urgent,
                Standing::Lost if member.listing.is_some() => Rhythm::Steady,
                Standing::Lost => Rhythm::Seldom,
            };
            Some(Callee {
                backend: backend.id,
                origin: Arc::clone(&backend.origin),
                bearer: backend.bearer.clone(),
                kind: backend.kind,
                rhythm,
            })
        });
        members.collect()
    }
}
