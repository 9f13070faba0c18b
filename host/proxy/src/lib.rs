//! The data plane: one request in, one response out. It knows the fleet's vocabulary and HTTP; it knows neither
//! wasmtime nor where its picture of the fleet comes from.
//!
//! File order is the order of a request: [`server`] accepts, `pipeline` tells the whole story, `routes` names
//! the route, `body` and `asked` read the request, `admission` waits for a slot and decides, `attempt` and
//! `upstream` ask a backend, `relay` passes its answer on, `rescue` writes every error, `ending` tells how it ended.
//! Start with `pipeline`.

mod admission;
mod aggregate;
mod aliases;
mod answer;
mod aside;
mod asked;
mod attempt;
mod body;
mod budget;
mod connection;
mod encoding;
mod ending;
pub mod gate;
mod headers;
mod ids;
pub mod listen;
mod peer;
mod pipeline;
mod ready;
mod relay;
mod rescue;
mod router;
mod routes;
pub mod server;
mod show;
mod socket;
mod ticket;
mod timestamp;
mod tries;
mod upstream;

pub use aliases::Aliases;
pub use aside::Aside;
pub use router::{Limits, Parts, Router};
