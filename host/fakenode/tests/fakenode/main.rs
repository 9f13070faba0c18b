//! The tests of `fakenode`, one binary: real sockets, raw bytes, and events instead of sleeps.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy exempts test functions only, and the helpers of a test binary are tests too"
)]

mod answers;
mod client;
mod control;
mod errors;
mod foreign;
mod framing;
mod native;
mod process;
mod responses;
mod scheduling;
mod transcription;
mod verbs;
