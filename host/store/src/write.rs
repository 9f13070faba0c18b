//! Records into rows. Writing the same twice is as good as once. Whoever calls has begun a transaction.

use std::time::SystemTime;

use herdwick_fleet::{NodeId, Remembered, RememberedServer};
use rusqlite::{Connection, params};

use crate::record::{seconds, source_name};

/// Writes all that is known of a machine. When it was seen, and since when it is drained, stays as it is.
pub(crate) fn keep(to: &Connection, node: &Remembered, now: SystemTime) -> rusqlite::Result<()> {
    let id = node.node.bytes();
    to.execute(
        "INSERT INTO nodes (id, name, is_renamed, source, agent) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET
            name = excluded.name, is_renamed = excluded.is_renamed,
            source = excluded.source, agent = excluded.agent",
        params![id, node.name, node.is_renamed, source_name(node.source), node.agent],
    )?;
    // A machine has one server and few labels: what is written anew is less than what comparing would read.
    to.execute("DELETE FROM servers WHERE node = ?1", [id])?;
    for RememberedServer { port, kind, origin, slots } in &node.servers {
        to.execute(
            "INSERT OR REPLACE INTO servers (node, port, kind, host, host_port, slots)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, port, kind.name(), origin.host, origin.port, slots],
        )?;
    }
    to.execute("DELETE FROM labels WHERE node = ?1", [id])?;
    for (name, value) in &node.labels {
        to.execute("INSERT INTO labels (node, name, value) VALUES (?1, ?2, ?3)", params![id, name, value])?;
    }
    to.execute("DELETE FROM pins WHERE node = ?1", [id])?;
    for model in &node.pins {
        to.execute("INSERT INTO pins (node, model) VALUES (?1, ?2)", params![id, model.as_str()])?;
    }
    match node.drained {
        true => to.execute(
            "INSERT INTO drains (node, since) VALUES (?1, ?2) ON CONFLICT (node) DO NOTHING",
            params![id, seconds(now)],
        )?,
        false => to.execute("DELETE FROM drains WHERE node = ?1", [id])?,
    };
    Ok(())
}

/// Writes that a machine was there. One that is not kept stays unknown.
pub(crate) fn seen(to: &Connection, node: NodeId, at: SystemTime) -> rusqlite::Result<()> {
    to.execute(
        "UPDATE nodes SET first_seen = coalesce(first_seen, ?2), last_seen = ?2 WHERE id = ?1",
        params![node.bytes(), seconds(at)],
    )?;
    Ok(())
}

/// Removes everything about a machine. What was learned of it is forgotten by itself.
pub(crate) fn forget(to: &Connection, node: NodeId) -> rusqlite::Result<()> {
    to.execute("DELETE FROM nodes WHERE id = ?1", [node.bytes()])?;
    Ok(())
}
