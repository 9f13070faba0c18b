//! Acceptance tests: the built binary, real sockets, real WebAssembly signals, simulated model servers.

#![cfg(test)]

mod authoring;
mod beats;
#[cfg(unix)]
mod bench;
#[cfg(unix)]
mod breaking;
#[cfg(target_os = "linux")]
mod cards;
mod cli;
mod config;
mod crowd;
mod demo;
mod dispatching;
mod doctor;
mod endurance;
mod errors;
#[cfg(target_os = "linux")]
mod fleet;
mod framing;
mod killing;
#[cfg(unix)]
mod learned;
mod learning;
mod leaving;
mod logging;
#[cfg(target_os = "linux")]
mod machine;
mod memory;
#[cfg(target_os = "linux")]
mod node;
mod nodes;
mod pages;
mod plugins;
mod ready;
mod relaying;
mod remembering;
mod routes;
mod routing;
mod service;
mod status;
#[cfg(unix)]
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod trying;
mod upstream;
