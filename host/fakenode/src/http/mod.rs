//! A small HTTP/1.1 of our own: read a head, read a body, write an answer byte by byte. Knows no route.

mod head;
mod inbox;
mod wire;

pub(crate) use head::{Head, Malformed};
pub(crate) use inbox::{Inbox, Trouble};
pub(crate) use wire::{Next, Wire, chunk};

/// `application/json; charset=utf-8`, as gin writes it.
pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// What gin answers unknown paths with.
pub(crate) const TEXT: &str = "text/plain";
