//! Who is in the fleet with what, as plugins are told it: once per instance and again whenever it changes, never
//! per request. Models stand in one table that backends point into, which is 17 times cheaper than repeating them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use herdwick_fleet::{Generation, ModelName, Snapshot};
use wasmtime::Engine;

use crate::engine::Ticker;
use crate::world::{Backend, Model};

/// The fleet at one generation, in the contract's types.
#[derive(Default)]
pub(crate) struct Topology {
    pub(crate) generation: Generation,
    pub(crate) models: Vec<Model>,
    pub(crate) backends: Vec<Backend>,
}

/// What an instance stands on: shared by all that one host makes.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) topology: Arc<ArcSwap<Topology>>,
}

impl Topology {
    /// The fleet as `snapshot` knows it.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut models: Vec<Model> = Vec::new();
        let mut places: BTreeMap<(&ModelName, &str), u32> = BTreeMap::new();
        let mut backends = Vec::new();
        for backend in snapshot.backends() {
            let held = backend.holdings.iter().map(|(name, holding)| {
                let model = &holding.model;
                *places.entry((name, &model.digest)).or_insert_with(|| {
                    models.push(Model {
                        name: name.to_string(),
                        digest: model.digest.clone(),
                        family: model.family.clone(),
                        parameters: parameters(&model.parameter_size),
                        // Told by /api/show only, which nobody asks yet; 0 is unknown.
                        max_context: 0,
                        capabilities: Vec::new(),
                    });
                    u32::try_from(models.len() - 1).unwrap_or(u32::MAX)
                })
            });
            let held = held.collect();
            let labels = backend.node.labels.iter();
            backends.push(Backend {
                slot: backend.row.0,
                id: backend.id.to_string(),
                node: backend.node.name.to_string(),
                kind: backend.kind.name().to_owned(),
                labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
                models: held,
            });
        }
        Self { generation: snapshot.topology, models, backends }
    }
}

/// `8.2B` as 8.2e9; NaN when it is written otherwise.
fn parameters(text: &str) -> f64 {
    let unit = text.chars().last().map(|unit| unit.to_ascii_uppercase());
    let factor = match unit {
        Some('K') => 1e3,
        Some('M') => 1e6,
        Some('B') => 1e9,
        Some('T') => 1e12,
        _ => return f64::NAN,
    };
    let number = text.get(..text.len() - 1).and_then(|number| number.parse::<f64>().ok());
    number.map_or(f64::NAN, |number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_ollama_writes_them() {
        for (text, number) in [("8.2B", 8.2e9), ("137M", 1.37e8), ("22.7m", 2.27e7)] {
            assert!((parameters(text) / number - 1.0).abs() < 1e-12, "{text}");
        }
        for text in ["", "8", "large", "8.2é"] {
            assert!(parameters(text).is_nan(), "{text}");
        }
    }
}
