//! Prefers backends whose machine has a label: the operator's own word for "rather here".
//! Must not know: why a machine is preferred, or anything that is measured of it.

use std::collections::BTreeMap;

use herdwick_sdk::{Column, Cost, Row, Settings, Signal, Topology, export_signal, phrase};

/// Ten minutes in milliseconds, which is where the router cuts a cost.
const MOST_MS: f64 = 600_000.0;

/// The signal.
#[derive(Debug)]
pub struct Plugin {
    label: String,
    value: String,
    /// What a backend without the label costs.
    penalty_ms: f64,
    /// By slot, whether the backend's machine has the label. Empty until the router has told the topology.
    has_label: BTreeMap<u32, bool>,
}

impl Signal for Plugin {
    /// Labels are no readings: they come with the topology.
    const COLUMNS: &'static [Column] = &[];
    const WANTS_TOPOLOGY: bool = true;

    fn new(settings: &mut Settings) -> Plugin {
        let plugin = Plugin {
            label: settings.text("label", "prefer"),
            value: settings.text("value", "yes"),
            penalty_ms: settings.number("penalty_ms", 500.0, 0.0..=MOST_MS),
            has_label: BTreeMap::new(),
        };
        if plugin.label.is_empty() {
            settings.problem("`label`: a label has a name".to_owned());
        }
        plugin
    }

    fn topology(&mut self, topology: Topology<'_>) {
        let wanted = (self.label.as_str(), self.value.as_str());
        let has = |labels: &[(String, String)]| {
            labels.iter().any(|(label, value)| (label.as_str(), value.as_str()) == wanted)
        };
        let known = topology.backends.iter().map(|backend| (backend.slot, has(&backend.labels)));
        self.has_label = known.collect();
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        match self.has_label.get(&row.slot()) {
            Some(true) => Cost::Ms(0.0),
            Some(false) => Cost::Ms(self.penalty_ms),
            // A backend that the topology does not name is no worse than others, only unknown.
            None => Cost::Abstain,
        }
    }

    fn explain(&self, row: Row<'_>) -> String {
        match self.has_label.get(&row.slot()) {
            Some(true) => format!("{} = {}", self.label, self.value),
            Some(false) => {
                format!("not {} = {}: {}", self.label, self.value, phrase::ms(self.penalty_ms))
            }
            None => "labels unknown".to_owned(),
        }
    }
}

export_signal!(Plugin, manifest: include_str!("../plugin.toml"));
