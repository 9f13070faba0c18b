//! Rows into what was learned. A row that makes no sense to this version is left out, and the file is none the worse for
//! it: a figure can be learned again, and a later version may have written it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use herdwick_fleet::{App, BackendId, Lesson, ModelName, NodeId, Quantity, Subject};
use rusqlite::{Connection, Row};

use crate::learned::{BenchRun, Kept, Learnt, RunFigure, Weights};
use crate::read::each;
use crate::record::time;

/// Everything, as old as it is at `now`.
pub(crate) fn all(connection: &Connection, now: SystemTime) -> rusqlite::Result<Learnt> {
    let mut learnt = Learnt::default();
    let lessons =
        "SELECT subject, node, port, model, app, quantity, mean, variance, samples, learned FROM lessons";
    each(connection, lessons, |row| {
        learnt.lessons.extend(lesson(row, now)?);
        Ok(())
    })?;
    each(connection, "SELECT node, port, model, digest FROM weights", |row| {
        let backend = BackendId { node: NodeId::from_bytes(row.get(0)?), port: row.get(1)? };
        if let Ok(model) = ModelName::parse(&row.get::<_, String>(2)?) {
            learnt.weights.push(Weights { backend, model, digest: row.get(3)? });
        }
        Ok(())
    })?;
    learnt.runs = runs(connection)?;
    Ok(learnt)
}

fn lesson(row: &Row<'_>, now: SystemTime) -> rusqlite::Result<Option<Lesson>> {
    let Some(what) = Quantity::from_name(&row.get::<_, String>(5)?) else { return Ok(None) };
    let kept = Kept {
        mean: row.get(6)?,
        variance: row.get(7)?,
        samples: row.get(8)?,
        learned: time(row.get(9)?).unwrap_or(SystemTime::UNIX_EPOCH),
    };
    let of = subject(row)?;
    Ok(of.zip(kept.estimate(now)).map(|(of, estimate)| Lesson { of, what, estimate }))
}

fn subject(row: &Row<'_>) -> rusqlite::Result<Option<Subject>> {
    let node: Option<[u8; 16]> = row.get::<_, Vec<u8>>(1)?.try_into().ok();
    let node = node.map(NodeId::from_bytes);
    let port = row.get(2)?;
    let model = ModelName::parse(&row.get::<_, String>(3)?).ok();
    let app = App::new(&row.get::<_, String>(4)?);
    Ok(match row.get::<_, String>(0)?.as_str() {
        "speed" => {
            node.zip(model).map(|(node, model)| Subject::Speed { backend: BackendId { node, port }, model })
        }
        "model" => model.map(|model| Subject::Model { model }),
        "app" => model.map(|model| Subject::App { app, model }),
        "machine" => node.map(|node| Subject::Machine { node }),
        _ => None,
    })
}

fn runs(connection: &Connection) -> rusqlite::Result<Vec<BenchRun>> {
    let mut runs = Vec::new();
    let all = "SELECT id, ended, node, name, model, is_quick FROM runs ORDER BY ended DESC, id DESC";
    each(connection, all, |row| {
        runs.push(BenchRun {
            id: row.get(0)?,
            ended: time(row.get(1)?).unwrap_or(SystemTime::UNIX_EPOCH),
            node: NodeId::from_bytes(row.get(2)?),
            name: row.get(3)?,
            model: row.get(4)?,
            is_quick: row.get(5)?,
            figures: Vec::new(),
        });
        Ok(())
    })?;
    let mut figures: BTreeMap<String, Vec<RunFigure>> = BTreeMap::new();
    let all = "SELECT run, quantity, streams, measured, before, after FROM run_figures ORDER BY run, place";
    each(connection, all, |row| {
        let figure = RunFigure {
            quantity: row.get(1)?,
            streams: row.get(2)?,
            measured: row.get(3)?,
            before: row.get(4)?,
            after: row.get(5)?,
        };
        figures.entry(row.get(0)?).or_default().push(figure);
        Ok(())
    })?;
    for run in &mut runs {
        run.figures = figures.remove(&run.id).unwrap_or_default();
    }
    Ok(runs)
}
