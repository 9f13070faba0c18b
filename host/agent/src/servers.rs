//! The model servers of this machine: where they are looked for, who is there, what each holds.

pub(crate) mod board;
pub(crate) mod place;
pub(crate) mod watch;
