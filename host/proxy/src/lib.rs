//! The data plane: one request in, one response out. It knows the fleet's vocabulary and HTTP; it knows neither
//! wasmtime nor where its picture of the fleet comes from.
//!
//! File order is the order of a request: [`server`] accepts, `pipeline` tells the whole story, [`gate`] says who
//! may come in, `routes` names the route, `encoding`, `body` and `asked` read the request, `admission` waits for a slot,
//! which `dispatcher` gives, `attempt` and `upstream` ask a backend, `vigil` watches whether an answer can still come, `tries` says what next if that failed, `answer` and `relay` pass
//! on what came, `rescue` writes every error of ours, `ending` tells how it ended. Start with `pipeline`.

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
mod dispatcher;
mod encoding;
mod ending;
pub mod gate;
mod headers;
mod ids;
mod lacking;
mod lesson;
pub mod listen;
mod loading;
mod options;
mod patience;
mod peer;
mod pieces;
mod pins;
mod pipeline;
mod ready;
mod relay;
mod rescue;
mod room;
mod rope;
mod router;
mod routes;
mod scene;
mod seats;
pub mod server;
mod show;
mod socket;
mod ticket;
mod timestamp;
mod tries;
mod upstream;
mod vigil;

pub use aliases::Aliases;
pub use aside::{Aside, BEAT_BYTES, Matter};
pub use dispatcher::Dispatcher;
pub use router::{Limits, Parts, Router};
