//! Prefers backends that are near: the time that a request spends on the network.
//! Must not know: how fast a backend is once it has the request.

use herdwick_sdk::{Column, Cost, Row, Settings, Signal, column, export_signal, phrase};

/// The signal.
#[derive(Debug)]
pub struct Plugin {
    /// Round trips that one request takes.
    round_trips: f64,
}

impl Signal for Plugin {
    const COLUMNS: &'static [Column] = &[column::NET_RTT_MS];

    fn new(settings: &mut Settings) -> Plugin {
        Plugin { round_trips: settings.number("round_trips", 2.0, 1.0..=20.0) }
    }

    fn cost(&self, row: Row<'_>) -> Cost {
        // An unknown or impossible reading is `None`, which becomes an abstention.
        row.get(column::NET_RTT_MS).map(|ms| ms * self.round_trips).into()
    }

    fn explain(&self, row: Row<'_>) -> String {
        row.get(column::NET_RTT_MS).map_or("distance unknown".into(), |ms| format!("{} away", phrase::ms(ms)))
    }
}

export_signal!(Plugin, manifest: include_str!("../plugin.toml"));
