//! The pure core of the router: its vocabulary, what is known of the fleet, and how a candidate is chosen.
//!
//! No async, no I/O, no clock, no randomness and no serialisation live here: time, ids and readings come in as
//! arguments, so that every decision can be tested in microseconds and replayed later from its inputs.
//!
//! Reading order: [`id`] and [`model`] name things, [`backend`] and [`fleet`] hold what is known,
//! [`snapshot`] freezes it, [`candidate`] says who can serve, [`mod@column`] turns that into numbers for the
//! signals, [`cost`] folds their answers, [`decision`] ranks and explains.

pub mod backend;
pub mod breaker;
pub mod candidate;
pub mod column;
pub mod cost;
pub mod counters;
pub mod decision;
pub mod dispatch;
pub mod event;
pub mod fallback;
pub mod fleet;
pub mod hang;
pub mod id;
pub mod learned;
pub mod live;
pub mod model;
pub mod moment;
pub mod nearest;
pub mod node;
pub mod observation;
pub mod occupancy;
pub mod policy;
pub mod profile;
pub mod reading;
pub mod remembered;
pub mod report;
pub mod ring;
pub mod sink;
pub mod slots;
pub mod snapshot;
pub mod standing;
mod why;

pub use backend::{Backend, BackendKind, Holding, Reach};
pub use breaker::{Breaker, Caution, Trial, Turn};
pub use candidate::{Candidate, Eliminated, Elimination, Field};
pub use column::{Column, Matrix};
pub use counters::{Counters, Counts};
pub use decision::{Basis, Decided, Decision, decide};
pub use event::Event;
pub use fallback::{Failure, Situation, Step, Tried};
pub use fleet::{Callee, Fleet, Refusal, Rhythm};
pub use id::{BackendId, Generation, NodeId, PluginId, RequestId, RowId};
pub use learned::{
    App, Company, Estimate, Hour, Hours, Learned, Lesson, Load, News, OfModel, Quantity, Rates, Shown, Speed,
    Subject,
};
pub use model::{Model, ModelName, ModelNameError, Residency};
pub use moment::Moment;
pub use node::{Node, Origin, OriginError};
pub use observation::{Claim, ModelClaim, Observation, ResidentClaim};
pub use policy::{Answer, LivePolicy, Overruled, Sheet, SignalPolicy, Words};
pub use profile::Profile;
pub use reading::Reading;
pub use remembered::{Listing, Remembered, RememberedServer, Source};
pub use report::{Agent, Door, Report, ServerReport};
pub use ring::Ring;
pub use sink::{Ending, Outcome, Outcomes};
pub use slots::{SlotGuard, Slots};
pub use snapshot::Snapshot;
pub use standing::{Draining, Standing};
