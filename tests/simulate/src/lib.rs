//! The router's dispatch on made-up machines in made-up time. Only time and machines are simulated: who is sent where is
//! decided by the very code of the router. Signals are its components, or the same sources compiled natively ([`signals`]).
//!
//! Reading order: [`trace`] is what clients ask, [`node`] a machine, [`world`] the loop that brings them together with a
//! [`router`].

#![allow(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "places in lists that are made once and never shrink; an index that is wrong must stop the run at once"
)]

pub mod baseline;
pub mod faults;
pub mod fleets;
pub mod herdwick;
pub mod knowing;
pub mod metrics;
pub mod node;
pub mod promises;
pub mod quality;
pub mod random;
pub mod router;
pub mod signals;
pub mod time;
pub mod trace;
pub mod world;
