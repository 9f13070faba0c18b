//! What is remembered while the router does not run: machines, what their operator wants of them, and what was learned.
//! One small database, one thread that writes it. Knows no HTTP and does not decide anything.
//!
//! Reading order: `record` and `learned` are what there is; `folder` and `open` get hold of the file, `migrate` makes it new
//! enough; `read` and `write` turn rows into records and back; `store` is what the program holds, and `writer`
//! the thread behind it.

mod error;
mod folder;
mod learned;
mod migrate;
mod open;
mod read;
mod record;
mod store;
mod write;
mod writer;

pub use error::StoreError;
pub use learned::{BenchRun, Learnt, RunFigure, Weights};
pub use record::Record;
pub use store::{Opened, Store};
