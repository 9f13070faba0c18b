//! Rows into records. A row that makes no sense is no row of ours: the file is broken then.

use std::collections::BTreeMap;

use herdwick_fleet::NodeId;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};

use crate::record::{Record, Server, Source, time};

/// Every record, by id.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut records = BTreeMap::new();
    let nodes =
        "SELECT id, public_key, name, is_renamed, source, agent, slots, first_seen, last_seen FROM nodes";
    each(connection, nodes, |row| {
        let record = node(row)?;
        records.insert(record.id, record);
        Ok(())
    })?;
    let mut with = |sql, set: fn(&mut Record, &Row<'_>) -> rusqlite::Result<()>| {
        each(connection, sql, |row| match records.get_mut(&NodeId::from_bytes(row.get(0)?)) {
            Some(record) => set(record, row),
            None => Ok(()),
        })
    };
    with("SELECT node, port, kind, host FROM servers ORDER BY port", |record, row| {
        record.servers.push(Server { port: row.get(1)?, kind: row.get(2)?, host: row.get(3)? });
        Ok(())
    })?;
    with("SELECT node, name, value FROM labels", |record, row| {
        record.labels.insert(row.get(1)?, row.get(2)?);
        Ok(())
    })?;
    with("SELECT node, since FROM drains", |record, row| {
        record.drained = time(row.get(1)?);
        Ok(())
    })?;
    Ok(records.into_values().collect())
}

fn each(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn node(row: &Row<'_>) -> rusqlite::Result<Record> {
    let source: String = row.get(4)?;
    let source = Source::from_name(&source)
        .ok_or_else(|| Error::InvalidColumnType(4, format!("source {source:?}"), Type::Text))?;
    let seen = |index: usize| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(index)?.and_then(time)) };
    Ok(Record {
        id: NodeId::from_bytes(row.get(0)?),
        key: row.get(1)?,
        name: row.get(2)?,
        is_renamed: row.get(3)?,
        source,
        agent: row.get(5)?,
        servers: Vec::new(),
        slots: row.get(6)?,
        labels: BTreeMap::new(),
        drained: None,
        first_seen: seen(7)?,
        last_seen: seen(8)?,
    })
}
