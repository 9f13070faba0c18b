//! Reads JSON in one strict pass, without a tree and without changing a byte. It knows the fields that requests
//! to model servers have; it must not know HTTP, routes, models or what is done with what it finds.
//!
//! The bytes of a request go on to a backend that reads them again, with a parser of its own: Go's takes the last
//! of two equal keys, ignores case in keys and whatever stands behind the first value. So [`scan`] refuses every
//! body that two readers could understand differently, and then what it tells is what the backend does.
//!
//! [`validate`] and [`walk`] are the same parser for what backends answer.

mod body;
mod cursor;
mod field;
mod flaw;
mod keep_alive;
mod number;
mod plain;
mod tally;
mod text;
mod value;
mod walk;

pub use body::{Body, Presence, scan};
pub use cursor::MAX_DEPTH;
pub use field::{MAX_KEY_BYTES, MAX_KEYS};
pub use flaw::Flaw;
pub use keep_alive::KeepAlive;
pub use text::Text;
pub use value::{Kind, Span, Value};
pub use walk::{validate, walk};
