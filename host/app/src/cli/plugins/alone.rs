//! One plugin by itself in the real sandbox: no router, no others, the same checks and the same limits.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use herdwick_fleet::{Column, Matrix, SignalPolicy as _, Words};
use herdwick_plugin_host::check::{self, Asks};
use herdwick_plugin_host::config::{Grant, PluginConfig, PluginsConfig, SettingValue};
use herdwick_plugin_host::{Package, PluginHost, PluginStatus, Wanted};

use crate::failed::Failed;

/// A plugin that was loaded, tried and configured.
pub(super) struct Alone {
    host: PluginHost,
    pub(super) status: PluginStatus,
    pub(super) asks: Asks,
    /// Bytes of its file.
    pub(super) bytes: usize,
    /// The wanted columns in the core's order, which is that of a matrix.
    columns: Vec<Column>,
}

impl Alone {
    /// Loads a file with the plugin's defaults.
    pub(super) fn load(file: &Path) -> anyhow::Result<Self> {
        let refused = |error: anyhow::Error| {
            Failed::because(
                error,
                format!("{} would not go live", file.display()),
                "mend what the cause says, build it again, and check it again",
            )
        };
        let package = Package::read(file).map_err(|error| refused(error.into()))?;
        let mut wanted = Wanted { files: vec![file.to_owned()], ..Wanted::default() };
        let host =
            PluginHost::start_bare(&wanted).map_err(|error| match check::kinds(&package).as_slice() {
                [kind @ ("fallback" | "health"), ..] => Failed::plainly(
                    format!("{} is a {kind} plugin, and this version runs signals only", file.display()),
                    "`cargo test` in its folder runs its cases natively",
                ),
                _ => refused(error.into()),
            })?;
        let live = (host.status().into_iter().next(), host.current().asks().into_iter().next());
        let (Some(status), Some(asks)) = live else {
            return Err(refused(anyhow::anyhow!("it is not live, and nobody says why")));
        };
        if asks.may_veto {
            // It is looked at as its author means it; whether it may is the operator's to say.
            wanted.config = said(&status, BTreeMap::new());
            host.reload("check", &wanted);
        }
        let columns = host.current().columns().to_vec();
        Ok(Self { host, status, asks, bytes: package.bytes.len(), columns })
    }

    /// Gives it other settings than its defaults. The error is what it says to them.
    pub(super) fn configure(
        &self,
        file: &Path,
        settings: BTreeMap<String, SettingValue>,
    ) -> Result<(), String> {
        let config = said(&self.status, settings);
        let wanted = Wanted { files: vec![file.to_owned()], config, ..Wanted::default() };
        let report = self.host.reload("settings", &wanted);
        if report.problems.is_empty() { Ok(()) } else { Err(report.problems.join("\n")) }
    }

    /// A matrix of `rows` candidates; `reading` is told the row and the column's name.
    pub(super) fn matrix(&self, rows: usize, reading: impl Fn(usize, &str) -> f64) -> Matrix {
        let reading = &reading;
        let values =
            (0..rows).flat_map(|row| self.columns.iter().map(move |column| reading(row, column.name())));
        Matrix::new(&self.columns, (0..rows).map(|row| row as f64).collect(), values.collect())
    }

    /// Its costs; the error is the fault that the router would see.
    pub(super) fn cost(&self, matrix: &Matrix, words: &Words<'_>) -> Result<Vec<f64>, String> {
        let sheet = self.host.current().score(matrix, words);
        if let Some((_, fault)) = sheet.faults.into_iter().next() {
            return Err(fault);
        }
        let answer = sheet.answers.into_iter().next();
        answer
            .map(|answer| answer.costs)
            .ok_or_else(|| "it is not asked any more after so many faults".to_owned())
    }

    /// Its words, one phrase a row; none if it misbehaved.
    pub(super) fn explain(&self, matrix: &Matrix, words: &Words<'_>) -> Option<Vec<String>> {
        self.host.current().explain(matrix, words).into_iter().next().map(|(_, phrases)| phrases)
    }

    /// How long one call takes, the sandbox included: the median of `calls`.
    pub(super) fn time(&self, matrix: &Matrix, calls: usize) -> Duration {
        let mut times: Vec<Duration> = (0..calls)
            .map(|_| {
                let began = Instant::now();
                let _ = self.cost(matrix, &NO_WORDS);
                began.elapsed()
            })
            .collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }
}

/// A request without words.
pub(super) const NO_WORDS: Words<'static> = Words { model: "", endpoint: "" };

fn said(status: &PluginStatus, settings: BTreeMap<String, SettingValue>) -> PluginsConfig {
    let config = PluginConfig { grants: vec![Grant::Veto], settings, ..PluginConfig::default() };
    let plugins = BTreeMap::from([(status.id.as_str().to_owned(), config)]);
    PluginsConfig { plugins, ..PluginsConfig::default() }
}
