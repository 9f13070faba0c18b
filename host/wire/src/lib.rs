//! The JSON bodies that leave and enter the process beside clients' requests, versioned, and who signed them. Core types
//! are not serialisable; these are, and convert from them. Knows no HTTP.

pub mod admin;
pub mod beat;
mod hex;
pub mod nodes;
pub mod seal;
pub mod status;
