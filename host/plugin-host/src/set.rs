//! All live signals of one generation. Immutable: a change is a new set, swapped in whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use herdwick_fleet::{Answer, Column, Generation, Matrix, PluginId, Sheet, SignalPolicy, Words};
use wasmtime::Engine;

use crate::engine::Ticker;
use crate::fault::{Fault, LoadError, LoadErrors};
use crate::instance::Instance;
use crate::lane::{Lane, Lanes};
use crate::load::Loaded;
use crate::package::{Digest, Source};
use crate::trial::{checked, told};

/// One generation of signals with their lanes.
pub struct PluginSet {
    generation: Generation,
    engine: Engine,
    ticker: Arc<Ticker>,
    columns: Arc<[Column]>,
    signals: Vec<Signal>,
    plugins: Vec<Loaded>,
    lanes: Lanes,
}

struct Signal {
    id: PluginId,
    weight: f64,
    /// Where each wanted column stands in the set's columns; `None` = this host has no such column.
    picks: Vec<Option<usize>>,
    calls: AtomicU64,
    faults: AtomicU64,
}

/// One plugin of a set, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginStatus {
    /// Its name.
    pub id: PluginId,
    /// Its version, as it says.
    pub version: String,
    /// What it does, as it says.
    pub summary: String,
    /// Where it came from.
    pub source: Source,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The operator's multiplier.
    pub weight: f64,
    /// Decisions it was asked for.
    pub calls: u64,
    /// Of them, those in which it misbehaved.
    pub faults: u64,
}

impl PluginSet {
    pub(crate) fn build(
        generation: Generation,
        engine: &Engine,
        ticker: &Arc<Ticker>,
        plugins: Vec<Loaded>,
    ) -> Result<Self, LoadErrors> {
        let lanes = Lanes::build(engine, ticker, &plugins).map_err(|(index, fault)| {
            let plugin = plugins.get(index).map_or(Source::BuiltIn(""), |plugin| plugin.source.clone());
            LoadErrors(vec![LoadError { plugin, problem: fault.to_string() }])
        })?;
        let wanted: BTreeSet<Column> =
            plugins.iter().flat_map(|plugin| &plugin.described.columns).flatten().copied().collect();
        let columns: Arc<[Column]> = wanted.into_iter().collect();
        let place = |column: Column| columns.iter().position(|have| *have == column);
        let signals = plugins.iter().map(|plugin| Signal {
            id: plugin.described.id.clone(),
            weight: plugin.weight,
            picks: plugin.described.columns.iter().map(|column| column.and_then(place)).collect(),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        });
        let signals = signals.collect();
        Ok(Self {
            generation,
            engine: engine.clone(),
            ticker: Arc::clone(ticker),
            columns,
            signals,
            plugins,
            lanes,
        })
    }

    /// Which set this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Every plugin of the set.
    pub fn status(&self) -> Vec<PluginStatus> {
        let each = self.plugins.iter().zip(&self.signals).map(|(plugin, signal)| PluginStatus {
            id: signal.id.clone(),
            version: plugin.described.version.clone(),
            summary: plugin.described.summary.clone(),
            source: plugin.source.clone(),
            digest: plugin.digest,
            weight: signal.weight,
            calls: signal.calls.load(Ordering::Relaxed),
            faults: signal.faults.load(Ordering::Relaxed),
        });
        each.collect()
    }

    /// Replaces instances that died. To be called now and then, never from the path of a request.
    pub fn mend(&self) {
        self.lanes.mend(&self.engine, &self.ticker, &self.plugins);
    }

    fn ask(&self, lane: &mut Lane, question: &Question<'_>) -> Sheet {
        let mut sheet = Sheet { generation: self.generation, ..Sheet::default() };
        let Lane { instances, rows } = lane;
        for ((signal, plugin), slot) in self.signals.iter().zip(&self.plugins).zip(instances) {
            // Weight 0 switches a signal off; it would add nothing.
            if signal.weight == 0.0 {
                continue;
            }
            signal.calls.fetch_add(1, Ordering::Relaxed);
            match ask_one(signal, plugin, slot, rows, question) {
                Ok(costs) => {
                    sheet.answers.push(Answer { plugin: signal.id.clone(), weight: signal.weight, costs });
                }
                Err(fault) => {
                    signal.faults.fetch_add(1, Ordering::Relaxed);
                    sheet.faults.push(told(&signal.id, &fault));
                }
            }
        }
        sheet
    }
}

impl SignalPolicy for PluginSet {
    fn columns(&self) -> Arc<[Column]> {
        Arc::clone(&self.columns)
    }

    fn explain(&self, _: &Matrix, _: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        Vec::new()
    }

    fn score(&self, matrix: &Matrix, words: &Words<'_>) -> Sheet {
        // All lanes out means more threads than lanes: an answer without signals beats waiting for them.
        let Some(mut lane) = self.lanes.take() else {
            return Sheet { generation: self.generation, ..Sheet::default() };
        };
        let sheet = self.ask(&mut lane, &Question { matrix, words });
        self.lanes.put(lane);
        sheet
    }
}

/// What one decision asks.
struct Question<'a> {
    matrix: &'a Matrix,
    words: &'a Words<'a>,
}

fn ask_one(
    signal: &Signal,
    plugin: &Loaded,
    slot: &mut Option<Instance>,
    rows: &mut Vec<f64>,
    question: &Question<'_>,
) -> Result<Vec<f64>, Fault> {
    let Some(instance) = slot else {
        return Err(Fault::Restarting);
    };
    rows.clear();
    for (row, values) in question.matrix.iter() {
        rows.push(row);
        rows.extend(
            signal
                .picks
                .iter()
                .map(|pick| pick.and_then(|index| values.get(index)).copied().unwrap_or(f64::NAN)),
        );
    }
    let wanted = &plugin.described.words;
    let spoken: Vec<String> = wanted.iter().map(|name| question.words.get(name).to_owned()).collect();
    let spoken = (!wanted.is_empty()).then_some(spoken.as_slice());
    let answer = instance.cost(spoken, rows);
    if answer.as_ref().is_err_and(Fault::kills) {
        *slot = None;
    }
    checked(answer?, question.matrix.rows(), &plugin.described)
}
