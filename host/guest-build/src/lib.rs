//! How a plugin in Rust becomes a component: which compiler, which flags, which encoder, which stamp. One recipe,
//! used by `cargo xtask plugins` for the built-in plugins and by `herdwick plugins build` for everybody's, so that
//! nobody's plugin is made in a better way than a stranger's. Must not know: where plugins lie, or what is in them.

pub mod component;
pub mod recipe;
mod section;
pub mod sources;
pub mod stamp;
pub mod toolchain;

pub use recipe::Job;
pub use stamp::Stamp;
pub use toolchain::{NoToolchain, TARGET, Toolchain};
