//! Runs the router's plugins: WebAssembly components behind the contract in `wit/`, sandboxed, bounded in time
//! and memory, swapped as one set. The only crate that knows wasmtime; it knows nothing of HTTP.
//!
//! Reading order: [`package`] is what somebody hands us, [`load`] turns it into something that can run,
//! `instance` runs one call under `limits`, `lane` keeps instances ready, [`set`] asks a whole set of signals,
//! [`host`] swaps sets.

mod bindings;
mod builtin;
mod cache;
pub mod check;
pub mod child;
pub mod compile;
pub mod config;
pub mod diagnose;
mod encode;
mod engine;
mod fault;
pub mod host;
mod instance;
pub mod instance_fallback;
pub mod instance_health;
mod lane;
pub mod limits;
pub mod load;
mod manifest;
mod member;
mod overtime;
pub mod package;
mod reconcile;
mod sandbox;
mod section;
pub mod set;
mod settings;
mod stats;
pub mod status;
mod survey;
mod topology;
mod trial;
mod wanted;
#[cfg(feature = "wasi")]
mod wasi;
mod world;

pub use child::{CompileLimits, Isolation, compile_in_child_main};
pub use compile::{CompileError, Compiler};
pub use fault::{Fault, LoadError, LoadErrors};
pub use host::PluginHost;
pub use load::{Loader, Plugin};
pub use package::{Package, Source};
pub use reconcile::Wanted;
pub use set::PluginSet;
pub use status::{PluginStatus, Report, State};
pub use world::Kind;
