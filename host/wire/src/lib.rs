//! The JSON bodies that leave and enter the process beside clients' requests, versioned, and who signed them. Core types
//! are not serialisable; these are, and convert from them. Knows no HTTP.

pub mod admin;
pub mod beat;
pub mod bench;
pub mod herd;
mod hex;
pub mod learned;
pub mod machine;
pub mod nodes;
pub mod residence;
pub mod seal;
pub mod session;
pub mod status;
