//! What one probe of a backend, after validation, claims. Every way of learning about a backend ends here, so
//! that the fleet changes by one path.

use std::net::IpAddr;
use std::time::Duration;

use crate::backend::Loaded;
use crate::column::Column;
use crate::id::BackendId;
use crate::model::{Model, ModelName};
use crate::moment::Moment;

/// One validated claim about one backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Whom it is about.
    pub backend: BackendId,
    /// When it was asked, so that it is never taken for newer than it is.
    pub at: Moment,
    /// What it says.
    pub claim: Claim,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// It answers, with this software version.
    Version(String),
    /// Every model it has on disk (`/api/tags`).
    Models(Vec<ModelClaim>),
    /// Every model it has in memory (`/api/ps`).
    Resident(Vec<ResidentClaim>),
    /// Numbers about the machine or the server, and how long they may be believed: memory, heat, learned rates,
    /// whatever a column names.
    Readings(Vec<(Column, f64)>, Duration),
    /// Requests that each of its models takes at once.
    Slots(u32),
    /// Its origin's name stands for these addresses.
    Addresses(Vec<IpAddr>),
    /// It does not answer in time, and may only be slow; why, for people.
    Silent(String),
    /// It does not answer; why, for people.
    Unreachable(String),
}

/// A model that a backend lists.
pub type ModelClaim = Model;

/// A model that a backend has in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidentClaim {
    /// Which.
    pub name: ModelName,
    /// What is told of it.
    pub loaded: Loaded,
}
