//! Developer tasks as a library, so that the binary and the tests read the tree by the same code.
//! Nothing of the product may import it.

#![allow(clippy::print_stdout, reason = "a developer task reports to the terminal it was started from")]

pub mod fuzz;
pub mod lock;
#[cfg(target_os = "linux")]
pub mod nettest;
pub mod nightly;
pub mod plugins;
pub mod simulate;
pub mod text;
pub mod workspace;
