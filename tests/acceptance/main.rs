//! Acceptance tests: the built binary, real sockets, real WebAssembly signals, simulated model servers.

#![cfg(test)]

mod authoring;
mod cli;
mod config;
mod demo;
mod errors;
mod leaving;
mod logging;
mod pages;
mod plugins;
mod relaying;
mod routing;
#[cfg(unix)]
mod stopping;
#[path = "../support/mod.rs"]
mod support;
