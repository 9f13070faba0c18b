//! The control plane: who is in the fleet and what is known of them. It owns the fleet's state and publishes
//! pictures of it; it never sees a client's request, and the data plane never waits for it.

mod keeper;
mod ollama;
mod poll;
mod probe;

pub use keeper::{Keeper, Published};
pub use poll::Polling;
