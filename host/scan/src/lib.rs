//! Reads JSON in one strict pass, without a tree and without changing a byte. It knows the fields that requests
//! to model servers have; it must not know HTTP, routes, models or what is done with what it finds.
//!
//! The bytes of a request go on to a backend that reads them again, with a parser of its own: Go's takes the last
//! of two equal keys, ignores case in keys and whatever stands behind the first value. So [`scan`] refuses every
//! body that two readers could understand differently, and then what it tells is what the backend does.
//!
//! ```
//! let body = br#"{"model":"qwen3:8b","messages":[{"role":"user","content":"Hi!"}]}"#;
//! let found = herdwick_scan::scan(body)?;
//! assert!(found.model.is_some_and(|model| model.is("qwen3:8b")));
//! assert_eq!((found.messages, found.stream), (Some(1), None));
//!
//! let twice = br#"{"model":"qwen3:8b","Model":"llama3:70b"}"#;
//! assert!(herdwick_scan::scan(twice).is_err_and(|flaw| flaw.is_ambiguous()));
//! # Ok::<(), herdwick_scan::Flaw>(())
//! ```
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
