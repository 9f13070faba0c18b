//! The three dialects that clients speak (Ollama, OpenAI, Anthropic), as functions of bytes alone: which routes there
//! are, how an answer is framed, how a good one ends, what a backend's error means, how ours are written. It knows
//! neither sockets nor the fleet.
//!
//! Reading order: [`endpoint`] names the routes; [`frames`] cuts an answer into frames, [`ending`] reads them and says
//! how it ended; [`whole`] does both for an answer in one piece; [`verdict`] judges a backend's error; [`failure`]
//! writes ours. [`multipart`] reads the one kind of question that is no JSON.

pub mod ending;
pub mod endpoint;
pub mod failure;
mod figures;
pub mod frames;
pub mod multipart;
mod parameters;
pub mod verdict;
pub mod whole;

pub use ending::{End, Ending};
pub use endpoint::{Endpoint, Family};
pub use figures::Figures;
pub use frames::Splitter;
