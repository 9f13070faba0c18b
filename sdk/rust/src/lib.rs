//! Write plugins for the Herdwick router in Rust: signals, fallback rules and health checks.
//! Must not know: the router. Everything a plugin learns crosses the contract in `wit/`.
//!
//! A plugin is a type that implements one of three traits, and one line that exports it:
//!
//! | trait | asked | answers |
//! | --- | --- | --- |
//! | [`Signal`] | on each request, all candidates in one call | predicted milliseconds for each candidate |
//! | [`Fallback`] | after a failed attempt, or when nothing can serve | what to do next |
//! | [`Health`] | every few seconds and on demand | what is wrong with the fleet and how to mend it |
//!
//! The whole of a signal that prefers near backends:
//!
//! ```
//! use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};
//!
//! pub struct NearFirst {
//!     /// Round trips that one request takes.
//!     round_trips: f64,
//! }
//!
//! impl Signal for NearFirst {
//!     const COLUMNS: &'static [Column] = &[column::NET_RTT_MS];
//!
//!     fn new(settings: &mut Settings) -> Self {
//!         NearFirst { round_trips: settings.number("round_trips", 2.0, 1.0..=20.0) }
//!     }
//!
//!     fn cost(&self, row: Row<'_>) -> Cost {
//!         // `None`, an unknown or impossible reading, becomes an abstention.
//!         row.get(column::NET_RTT_MS).map(|ms| ms * self.round_trips).into()
//!     }
//!
//!     fn explain(&self, row: Row<'_>) -> String {
//!         row.get(column::NET_RTT_MS).map_or("distance unknown".into(), |ms| format!("{} away", phrase::ms(ms)))
//!     }
//! }
//!
//! // In a crate of its own: `export_signal!(NearFirst);`, which takes name, version and summary from the
//! // `plugin.toml` beside `Cargo.toml`.
//! export_signal!(NearFirst, manifest: r#"
//! id = "near-first"
//! version = "0.1.0"
//! summary = "Round trips to the backend"
//! "#);
//! ```
//!
//! What to know before the first line:
//!
//! - **Costs are milliseconds**, so that they can be added to those of other signals and checked against what
//!   happened. A signal without an opinion answers [`Cost::Abstain`]; nobody is punished for it.
//! - **[`Row::get`] is the guard.** It answers only for a reading that is known and within its documented range, so
//!   NaN, infinities and negative sizes never reach your arithmetic.
//! - **A plugin is a function** of its arguments, its settings and the topology. It has no clock, no randomness, no
//!   files; two calls with the same rows give the same bytes.
//! - **Nothing may panic**: it ends the instance, and three faults in a minute end the plugin. No indexing, no `unwrap`.
//! - **Keep components small**: `{:.1}` on a float doubles them; [`phrase`] writes numbers without it.
//!
//! Natively a plugin is a library like any other: `log` goes to standard error, the export macros export nothing,
//! and the module `cases` runs golden cases and hostile input in a test of one line.
#![deny(missing_docs)]

#[cfg(not(target_arch = "wasm32"))]
pub mod cases;
pub mod column;
mod cost;
#[doc(hidden)]
pub mod export;
pub mod fallback;
pub mod health;
mod identity;
pub mod log;
pub mod phrase;
mod rows;
pub mod service;
mod settings;
mod signal;
mod topology;

pub use column::Column;
pub use cost::{Cost, Costs};
pub use fallback::Fallback;
pub use health::Health;
pub use rows::{Malformed, Row, Rows, Word};
pub use settings::{Setting, Settings, Value};
pub use signal::Signal;
pub use topology::{Backend, Model, Topology};

/// The version of the contract that this SDK speaks.
pub const CONTRACT: &str = "herdwick:plugin@0.1.0";

#[cfg(test)]
mod tests {
    #[test]
    fn the_contract_is_that_of_wit() {
        let package = format!("package {};", super::CONTRACT);
        assert!(include_str!("../../../wit/plugin.wit").contains(&package));
    }
}
