//! What connections cost that nobody uses: memory per connection that was used once and is kept open.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use crate::client::{Client, question};
use crate::system::System;

/// Connections from one address of ours: well below the ports that one address has.
const PER_SOURCE: usize = 5_000;

/// Opens so many connections, asks once over each, keeps all of them open, and returns by how many bytes the system's
/// memory grew.
///
/// # Errors
/// One of them was not answered.
pub fn growth_bytes(runtime: &Runtime, system: &System, connections: usize) -> Result<u64> {
    let target = *system.targets.first().context("a system without an address")?;
    let before = system.resident_bytes()?;
    let question = question(false);
    let held = runtime.block_on(async {
        let mut held = Vec::with_capacity(connections);
        for index in 0..connections {
            // All of 127.0.0.0/8 is this machine.
            let source = Ipv4Addr::new(127, 0, 1, 1 + (index / PER_SOURCE) as u8);
            let mut client = Client::connect_from(SocketAddr::from((source, 0)), target).await?;
            client.ask(&question).await.with_context(|| format!("connection {index}"))?;
            held.push(client);
        }
        anyhow::Ok(held)
    })?;
    let after = system.resident_bytes()?;
    // Only now they may close.
    drop(held);
    Ok(after.saturating_sub(before))
}
