//! Rows into records. A row that makes no sense is no row of ours: the file is broken then.

use std::collections::{BTreeMap, BTreeSet};

use herdwick_fleet::{BackendKind, ModelName, NodeId, Origin, Remembered, RememberedServer};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};

use crate::record::{self, Record, time};

/// Every record, by id.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut records = BTreeMap::new();
    let nodes = "SELECT id, name, is_renamed, source, agent, first_seen, last_seen FROM nodes";
    each(connection, nodes, |row| {
        let record = node(row)?;
        records.insert(record.node.node, record);
        Ok(())
    })?;
    let mut with = |sql, set: fn(&mut Record, &Row<'_>) -> rusqlite::Result<()>| {
        each(connection, sql, |row| match records.get_mut(&NodeId::from_bytes(row.get(0)?)) {
            Some(record) => set(record, row),
            None => Ok(()),
        })
    };
    let servers = "SELECT node, port, kind, host, host_port, slots FROM servers ORDER BY port";
    with(servers, |record, row| {
        record.node.servers.push(server(row)?);
        Ok(())
    })?;
    with("SELECT node, name, value FROM labels", |record, row| {
        record.node.labels.insert(row.get(1)?, row.get(2)?);
        Ok(())
    })?;
    with("SELECT node, model FROM pins", |record, row| {
        // A name that a later version may have is none that this one could pin.
        record.node.pins.extend(ModelName::parse(&row.get::<_, String>(1)?).ok());
        Ok(())
    })?;
    with("SELECT node, since FROM drains", |record, row| {
        record.node.drained = true;
        record.drained_since = time(row.get(1)?);
        Ok(())
    })?;
    Ok(records.into_values().collect())
}

/// Gives every row of an answer.
pub(crate) fn each(
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
    let node = Remembered {
        node: NodeId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        is_renamed: row.get(2)?,
        source: word(row, 3, record::source)?,
        agent: row.get(4)?,
        servers: Vec::new(),
        labels: BTreeMap::new(),
        drained: false,
        pins: BTreeSet::new(),
    };
    let seen = |index: usize| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(index)?.and_then(time)) };
    Ok(Record { node, first_seen: seen(5)?, last_seen: seen(6)?, drained_since: None })
}

fn server(row: &Row<'_>) -> rusqlite::Result<RememberedServer> {
    Ok(RememberedServer {
        port: row.get(1)?,
        kind: word(row, 2, BackendKind::from_name)?,
        origin: Origin { host: row.get(3)?, port: row.get(4)? },
        slots: row.get(5)?,
    })
}

/// A column that holds one of a few words.
fn word<T>(row: &Row<'_>, index: usize, of: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    of(&text).ok_or_else(|| Error::InvalidColumnType(index, format!("the word {text:?}"), Type::Text))
}
