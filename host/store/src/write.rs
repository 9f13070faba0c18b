//! Records into rows. Writing the same twice is as good as once. Whoever calls has begun a transaction.

use herdwick_fleet::NodeId;
use rusqlite::{Connection, params};

use crate::record::{Record, Server, seconds};

/// Writes all that is known of a machine. When it was heard of first stays as it was written first.
pub(crate) fn keep(to: &Connection, record: &Record) -> rusqlite::Result<()> {
    let id = record.id.bytes();
    to.execute(
        "INSERT INTO nodes (id, public_key, name, is_renamed, source, agent, slots, first_seen, last_seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, ?9), ?9)
             ON CONFLICT (id) DO UPDATE SET
                public_key = excluded.public_key, name = excluded.name, is_renamed = excluded.is_renamed,
                source = excluded.source, agent = excluded.agent, slots = excluded.slots,
                first_seen = coalesce(nodes.first_seen, excluded.first_seen), last_seen = excluded.last_seen",
        params![
            id,
            record.key,
            record.name,
            record.is_renamed,
            record.source.name(),
            record.agent,
            record.slots,
            record.first_seen.map(seconds),
            record.last_seen.map(seconds),
        ],
    )?;
    // A machine has one server and few labels: what is written anew is less than what comparing would read.
    to.execute("DELETE FROM servers WHERE node = ?1", [id])?;
    for Server { port, kind, host } in &record.servers {
        to.execute(
            "INSERT OR REPLACE INTO servers (node, port, kind, host) VALUES (?1, ?2, ?3, ?4)",
            params![id, port, kind, host],
        )?;
    }
    to.execute("DELETE FROM labels WHERE node = ?1", [id])?;
    for (name, value) in &record.labels {
        to.execute("INSERT INTO labels (node, name, value) VALUES (?1, ?2, ?3)", params![id, name, value])?;
    }
    match record.drained {
        Some(since) => to.execute(
            "INSERT OR REPLACE INTO drains (node, since) VALUES (?1, ?2)",
            params![id, seconds(since)],
        )?,
        None => to.execute("DELETE FROM drains WHERE node = ?1", [id])?,
    };
    Ok(())
}

/// Removes everything about a machine.
pub(crate) fn forget(to: &Connection, node: NodeId) -> rusqlite::Result<()> {
    to.execute("DELETE FROM nodes WHERE id = ?1", [node.bytes()])?;
    Ok(())
}
