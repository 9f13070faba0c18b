//! Heartbeats: what one says (`compose`), what an agent and one router know of each other (`session`), how one travels
//! (`post`), and the loop that sends them (`link`).

pub(crate) mod compose;
pub(crate) mod link;
pub(crate) mod post;
pub(crate) mod session;
