//! The control plane: who is in the fleet and what is known of them. It owns the fleet's state and publishes
//! pictures of it; it never sees a client's request, and the data plane never waits for it.

mod admin;
mod bench;
mod calls;
mod desk;
mod discovery;
mod facts;
mod ingest;
mod keeper;
mod learned;
mod needs;
mod nodes;
mod poll;
mod residence;
mod status;

pub use admin::Admin;
pub use bench::Benches;
pub use desk::{DeskError, FleetDesk};
pub use discovery::Discovery;
pub use facts::FactBook;
pub use ingest::{Desk, Heard, Ingest, IngestParts, Unheard};
pub use keeper::{IsOwn, Keeper, Published, WeekClock, log_event};
pub use needs::{Memory, NoMemory, Plugins, Residence};
pub use poll::Polling;
