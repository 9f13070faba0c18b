//! One plugin by itself in the real sandbox: no router, no others, the same checks and the same limits.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use herdwick_fleet::{Column, Matrix, SignalPolicy as _, Words};
use herdwick_plugin_host::check::{self, Asks};
use herdwick_plugin_host::config::{Grant, PluginConfig, PluginsConfig, SettingValue};
use herdwick_plugin_host::instance_fallback::{Asked, FallbackInstance, Step};
use herdwick_plugin_host::instance_health::{Check, Fact, Finding, HealthInstance, Reply};
use herdwick_plugin_host::{Package, Plugin, PluginHost, PluginStatus, Wanted};

use crate::failed::Failed;

/// A request without words.
pub(super) const NO_WORDS: Words<'static> = Words { model: "", endpoint: "" };

/// The plugin's own settings, as an operator writes them.
pub(super) type Settings = BTreeMap<String, SettingValue>;

/// A plugin that was loaded, tried and configured.
pub(super) struct Alone {
    /// Asks signals, by the way that requests take.
    host: PluginHost,
    /// Asked without a way: no request is needed for it.
    aside: Aside,
    pub(super) status: PluginStatus,
    pub(super) asks: Asks,
    /// Bytes of its file.
    pub(super) bytes: usize,
    /// The wanted columns in the core's order, which is that of a matrix.
    columns: Vec<Column>,
}

enum Aside {
    Nothing,
    Fallback(FallbackInstance),
    Health(HealthInstance),
}

/// What a plugin is asked, each kind in its way.
pub(super) enum Question {
    Cost(Matrix),
    Next(Asked),
    Judge(Vec<Fact>),
}

/// What it answers.
#[derive(PartialEq)]
pub(super) enum Answer {
    /// As bits, so that equal means equal, unknown or not.
    Costs(Vec<u64>),
    Step(Step),
    Findings(Vec<Finding>),
}

impl Alone {
    /// Loads a file, with every right that it asks for: whether it gets them is the operator's to say.
    pub(super) fn load(file: &Path, settings: Settings) -> anyhow::Result<Self> {
        let refused = |error: anyhow::Error| {
            Failed::because(
                error,
                format!("{} would not go live", file.display()),
                "mend what the cause says, build it again, and check it again",
            )
        };
        let package = Package::read(file).map_err(|error| refused(error.into()))?;
        let config = said(&package, settings);
        let wanted = Wanted { files: vec![file.to_owned()], config, ..Wanted::default() };
        let host = PluginHost::start_bare(&wanted).map_err(|error| refused(error.into()))?;
        let set = host.current();
        let live = (host.status().into_iter().next(), set.asks().into_iter().next(), set.plugins().next());
        let (Some(status), Some(asks), Some(plugin)) = live else {
            return Err(refused(anyhow!("it is not live, and nobody says why")));
        };
        let aside = aside(plugin).map_err(refused)?;
        let columns = host.current().columns().to_vec();
        Ok(Self { host, aside, status, asks, bytes: package.bytes.len(), columns })
    }

    /// A matrix of `rows` candidates; `reading` is told the row and the column's name.
    pub(super) fn matrix(&self, rows: usize, reading: impl Fn(usize, &str) -> f64) -> Matrix {
        let reading = &reading;
        let values =
            (0..rows).flat_map(|row| self.columns.iter().map(move |column| reading(row, column.name())));
        Matrix::new(&self.columns, (0..rows).map(|row| row as f64).collect(), values.collect())
    }

    /// The same as a fallback rule is given it: plain numbers, its columns in its order.
    pub(super) fn rows(&self, rows: usize, reading: impl Fn(usize, &str) -> f64) -> Vec<f64> {
        let (reading, columns) = (&reading, &self.asks.columns);
        let row = |row: usize| {
            let readings =
                columns.iter().map(move |column| column.map_or(f64::NAN, |name| reading(row, name)));
            std::iter::once(row as f64).chain(readings)
        };
        (0..rows).flat_map(row).collect()
    }

    /// A signal's costs; the error is the fault that the router would see.
    pub(super) fn cost(&self, matrix: &Matrix, words: &Words<'_>) -> Result<Vec<f64>, String> {
        let sheet = self.host.current().score(matrix, words);
        if let Some((_, fault)) = sheet.faults.into_iter().next() {
            return Err(fault);
        }
        let answer = sheet.answers.into_iter().next().map(|answer| answer.costs);
        answer.ok_or_else(|| "it is not asked any more after so many faults".to_owned())
    }

    /// A signal's words, one phrase a row; none if it misbehaved.
    pub(super) fn explain(&self, matrix: &Matrix, words: &Words<'_>) -> Option<Vec<String>> {
        self.host.current().explain(matrix, words).into_iter().next().map(|(_, phrases)| phrases)
    }

    /// A fallback rule's advice.
    pub(super) fn next(&mut self, asked: &Asked) -> Result<Step, String> {
        match &mut self.aside {
            Aside::Fallback(rule) => rule.next(asked).map_err(|fault| fault.to_string()),
            _ => Err("it is no fallback rule".to_owned()),
        }
    }

    /// What a health plugin looks after.
    pub(super) fn checks(&mut self) -> Result<Vec<Check>, String> {
        match &mut self.aside {
            Aside::Health(plugin) => plugin.checks().map_err(|fault| fault.to_string()),
            _ => Err("it is no health plugin".to_owned()),
        }
    }

    /// What a health plugin finds.
    pub(super) fn judge(&mut self, facts: &[Fact], replies: &[Reply]) -> Result<Vec<Finding>, String> {
        match &mut self.aside {
            Aside::Health(plugin) => plugin.judge(facts, replies).map_err(|fault| fault.to_string()),
            _ => Err("it is no health plugin".to_owned()),
        }
    }

    /// Asks whatever its kind is asked.
    pub(super) fn ask(&mut self, question: &Question) -> Result<Answer, String> {
        match question {
            Question::Cost(matrix) => {
                let costs = self.cost(matrix, &NO_WORDS)?;
                Ok(Answer::Costs(costs.iter().map(|cost| cost.to_bits()).collect()))
            }
            Question::Next(asked) => self.next(asked).map(Answer::Step),
            Question::Judge(facts) => self.judge(facts, &[]).map(Answer::Findings),
        }
    }

    /// How long one call takes, the sandbox included: the median of `calls`.
    pub(super) fn time(&mut self, question: &Question, calls: usize) -> Duration {
        let mut times: Vec<Duration> = (0..calls)
            .map(|_| {
                let began = Instant::now();
                // Whether it answers was asked before.
                let _ = self.ask(question);
                began.elapsed()
            })
            .collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }
}

fn aside(plugin: &Plugin) -> anyhow::Result<Aside> {
    Ok(match plugin {
        Plugin::Signal(_) => Aside::Nothing,
        Plugin::Fallback(rule) => Aside::Fallback(rule.instance()?),
        Plugin::Health(plugin) => Aside::Health(plugin.instance()?),
    })
}

fn said(package: &Package, settings: Settings) -> PluginsConfig {
    let config = PluginConfig { grants: Grant::ALL.to_vec(), settings, ..PluginConfig::default() };
    let plugins = check::declared_name(package).map(|name| (name, config)).into_iter().collect();
    PluginsConfig { plugins, ..PluginsConfig::default() }
}
