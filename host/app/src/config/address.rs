//! The kind of value that says where to listen.

use std::net::SocketAddr;

use toml::Value;

use super::kind::{Kind, text, wrong};
use super::place::Problem;
use super::raw::Given;

/// An IP address with a port.
pub(crate) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn read(&self, key: &str, given: &Given) -> Result<SocketAddr, Vec<Problem>> {
        let text = text(key, given, "an address like \"127.0.0.1:11435\"")?;
        text.parse().map_err(|_| {
            wrong(
                key,
                given,
                format!("{text:?} is no address; write it like 127.0.0.1:11435 or 0.0.0.0:11435"),
            )
        })
    }

    fn write(&self, value: &SocketAddr) -> Value {
        Value::String(value.to_string())
    }
}
