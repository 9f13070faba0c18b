//! The seven signals as the router ships them: components, run by its plugin host.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use herdwick_fleet::{Column, Matrix, PluginId, Sheet, SignalPolicy, Words};
use herdwick_plugin_host::config::{PluginConfig, PluginsConfig, SettingValue};
use herdwick_plugin_host::{PluginHost, Wanted};

use super::Change;

/// The components that the router ships, with these settings changed.
///
/// # Errors
/// What keeps them from running here.
pub fn components(changes: &[Change]) -> Result<Arc<dyn SignalPolicy>> {
    let mut plugins: BTreeMap<String, PluginConfig> = BTreeMap::new();
    for change in changes {
        let (signal, key, value) = match *change {
            Change::Number(signal, key, value) => (signal, key, SettingValue::Number(value)),
            Change::Flag(signal, key, value) => (signal, key, SettingValue::Flag(value)),
        };
        plugins.entry(signal.to_owned()).or_default().settings.insert(key.to_owned(), value);
    }
    let config = PluginsConfig { plugins, ..PluginsConfig::default() };
    let host =
        PluginHost::start(&Wanted { config, ..Wanted::default() }).context("cannot start the plugins")?;
    let problems = host.report().map(|report| report.problems).unwrap_or_default();
    ensure!(problems.is_empty(), "the plugins do not take these settings: {problems:?}");
    let set = host.current();
    // The host owns the clock that bounds its guests; it has to live as long as the set.
    Ok(Arc::new(Kept { _host: host, set }))
}

struct Kept<S: ?Sized> {
    _host: PluginHost,
    set: Arc<S>,
}

impl<S: SignalPolicy + ?Sized> SignalPolicy for Kept<S> {
    fn columns(&self) -> Arc<[Column]> {
        self.set.columns()
    }

    fn score(&self, matrix: &Matrix, words: &Words<'_>) -> Sheet {
        let sheet = self.set.score(matrix, words);
        // A run in which a signal was missing measured something else.
        assert!(sheet.faults.is_empty(), "a component failed: {:?}", sheet.faults);
        sheet
    }

    fn explain(&self, matrix: &Matrix, words: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        self.set.explain(matrix, words)
    }
}
