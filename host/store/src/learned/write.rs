//! What was learned, into rows. Writing the same twice is as good as once. Whoever calls has begun a transaction.

use std::collections::BTreeMap;

use herdwick_fleet::{BackendId, ModelName, Quantity, Subject};
use rusqlite::{Connection, params};

use crate::learned::{BEST_BEFORE, BenchRun, Kept, LESSONS, RUNS, RunFigure, Told, word};
use crate::record::seconds;

/// Where a lesson stands.
struct Place<'a> {
    node: Vec<u8>,
    port: u16,
    model: &'a str,
    app: &'a str,
}

/// Writes everything.
pub(crate) fn all(to: &Connection, told: &Told) -> rusqlite::Result<()> {
    for subject in &told.forgotten {
        forget(to, subject)?;
    }
    lessons(to, &told.lessons)?;
    for ((backend, model), digest) in &told.weights {
        weigh(to, *backend, model, digest)?;
    }
    for run in &told.runs {
        add(to, run)?;
    }
    Ok(())
}

/// Removes what is too old, and what is too much.
pub(crate) fn trim(to: &Connection, now: i64) -> rusqlite::Result<()> {
    let oldest = now.saturating_sub(i64::try_from(BEST_BEFORE.as_secs()).unwrap_or(i64::MAX));
    to.execute("DELETE FROM lessons WHERE learned < ?1", [oldest])?;
    to.execute(
        "DELETE FROM lessons
         WHERE learned <= (SELECT learned FROM lessons ORDER BY learned DESC LIMIT 1 OFFSET ?1)",
        [i64::try_from(LESSONS).unwrap_or(i64::MAX)],
    )?;
    to.execute(
        "DELETE FROM weights WHERE NOT EXISTS (
            SELECT 1 FROM lessons
            WHERE lessons.node = weights.node AND lessons.port = weights.port AND lessons.model = weights.model)",
        [],
    )?;
    Ok(())
}

fn lessons(to: &Connection, lessons: &BTreeMap<(Subject, Quantity), Kept>) -> rusqlite::Result<()> {
    let mut keep = to.prepare(
        "INSERT OR REPLACE INTO lessons (subject, node, port, model, app, quantity, mean, variance, samples, learned)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for ((of, what), kept) in lessons {
        let Place { node, port, model, app } = place(of);
        let Kept { mean, variance, samples, learned } = *kept;
        let (of, what, learned) = (word(of), what.name(), seconds(learned));
        keep.execute(params![of, node, port, model, app, what, mean, variance, samples, learned])?;
    }
    Ok(())
}

fn forget(to: &Connection, of: &Subject) -> rusqlite::Result<()> {
    let Place { node, port, model, app } = place(of);
    to.execute(
        "DELETE FROM lessons WHERE subject = ?1 AND node = ?2 AND port = ?3 AND model = ?4 AND app = ?5",
        params![word(of), node, port, model, app],
    )?;
    Ok(())
}

fn weigh(to: &Connection, backend: BackendId, model: &ModelName, digest: &str) -> rusqlite::Result<()> {
    to.execute(
        "INSERT OR REPLACE INTO weights (node, port, model, digest) VALUES (?1, ?2, ?3, ?4)",
        params![backend.node.bytes(), backend.port, model.as_str(), digest],
    )?;
    Ok(())
}

/// A run with all its figures, in the place of the oldest if need be.
fn add(to: &Connection, run: &BenchRun) -> rusqlite::Result<()> {
    let BenchRun { id, ended, node, name, model, is_quick, figures } = run;
    to.execute(
        "INSERT OR REPLACE INTO runs (id, ended, node, name, model, is_quick) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, seconds(*ended), node.bytes(), name, model, is_quick],
    )?;
    for (place, figure) in (0_i64..).zip(figures) {
        let RunFigure { quantity, streams, measured, before, after } = figure;
        to.execute(
            "INSERT INTO run_figures (run, place, quantity, streams, measured, before, after)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id, place, quantity, streams, measured, before, after],
        )?;
    }
    to.execute(
        "DELETE FROM runs WHERE id NOT IN (SELECT id FROM runs ORDER BY ended DESC, id DESC LIMIT ?1)",
        [i64::try_from(RUNS).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

fn place(of: &Subject) -> Place<'_> {
    let nowhere = Place { node: Vec::new(), port: 0, model: "", app: "" };
    match of {
        Subject::Speed { backend, model } => Place {
            node: backend.node.bytes().to_vec(),
            port: backend.port,
            model: model.as_str(),
            ..nowhere
        },
        Subject::Model { model } => Place { model: model.as_str(), ..nowhere },
        Subject::App { app, model } => Place { model: model.as_str(), app: app.as_str(), ..nowhere },
        Subject::Machine { node } => Place { node: node.bytes().to_vec(), ..nowhere },
    }
}
