//! One instance of one plugin in a store of its own, and one guarded call: budget, answer size, faults.
//!
//! A trap kills everything in its store, so no two instances share one.

use std::sync::Arc;

use wasmtime::{Engine, Store, Trap};

use crate::bindings::{SignalPlugin, SignalPluginPre, exports};
use crate::engine::Ticker;
use crate::fault::Fault;
use crate::limits::{self, Budget};
use crate::sandbox::{Sandbox, printable};

pub(crate) use exports::herdwick::plugin::lifecycle::{Manifest, Setting};

pub(crate) use crate::bindings::herdwick::plugin::types::Value;

/// A plugin that can be called.
pub(crate) struct Instance {
    store: Store<Sandbox>,
    plugin: SignalPlugin,
    ticker: Arc<Ticker>,
}

impl Instance {
    /// Instantiates, without calling anything of the plugin's but its start function.
    pub(crate) fn new(
        engine: &Engine,
        ticker: &Arc<Ticker>,
        pre: &SignalPluginPre<Sandbox>,
    ) -> Result<Self, Fault> {
        let mut store = Store::new(engine, Sandbox::new());
        store.limiter(|sandbox| &mut sandbox.limits);
        begin(&mut store, ticker, limits::CONFIGURE);
        let plugin = pre.instantiate(&mut store).map_err(|error| classify(&error, limits::CONFIGURE))?;
        Ok(Self { store, plugin, ticker: Arc::clone(ticker) })
    }

    pub(crate) fn describe(&mut self) -> Result<Manifest, Fault> {
        self.call(limits::DESCRIBE, |plugin, store| plugin.herdwick_plugin_lifecycle().call_describe(store))
    }

    /// Whose log lines these are from now on.
    pub(crate) fn name(&mut self, plugin: herdwick_fleet::PluginId) {
        self.store.data_mut().plugin = Some(plugin);
    }

    /// Gives it its settings; its problems with them come back as texts.
    pub(crate) fn configure(&mut self, settings: &[Setting]) -> Result<Result<(), Vec<String>>, Fault> {
        let answer = self.call(limits::CONFIGURE, |plugin, store| {
            plugin.herdwick_plugin_lifecycle().call_configure(store, settings)
        })?;
        Ok(answer.map_err(|problems| {
            problems.iter().map(|problem| printable(problem, limits::ERROR_BYTES)).collect()
        }))
    }

    /// One number per row. `words` are `None` for a plugin that asks for none.
    pub(crate) fn cost(&mut self, words: Option<&[String]>, rows: &[f64]) -> Result<Vec<f64>, Fault> {
        let answer = self.call(limits::COST, |plugin, store| {
            let signal = plugin.herdwick_plugin_signal();
            match words {
                None => signal.call_cost(store, rows),
                Some(words) => signal.call_cost_for(store, words, rows),
            }
        })?;
        answer.map_err(|text| Fault::Refused(printable(&text, limits::ERROR_BYTES)))
    }

    /// One phrase per row.
    pub(crate) fn explain(&mut self, words: &[String], rows: &[f64]) -> Result<Vec<String>, Fault> {
        let phrases = self.call(limits::EXPLAIN, |plugin, store| {
            plugin.herdwick_plugin_explain().call_explain(store, words, rows)
        })?;
        Ok(phrases.iter().map(|phrase| printable(phrase, limits::PHRASE_BYTES)).collect())
    }

    fn call<T>(
        &mut self,
        budget: Budget,
        call: impl FnOnce(&SignalPlugin, &mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        begin(&mut self.store, &self.ticker, budget);
        call(&self.plugin, &mut self.store).map_err(|error| classify(&error, budget))
    }
}

/// Sets what the coming call may take: a few stores, nothing measurable.
fn begin(store: &mut Store<Sandbox>, ticker: &Ticker, budget: Budget) {
    ticker.call_begins();
    // The tick that is under way counts as one, so one more is needed for the whole budget.
    store.set_epoch_deadline(budget.ms + 1);
    store.set_hostcall_fuel(budget.answer_bytes);
    store.data_mut().begin_call();
}

fn classify(error: &wasmtime::Error, budget: Budget) -> Fault {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Fault::Deadline { ms: budget.ms },
        Some(trap) => Fault::Trap(trap.to_string()),
        None => {
            let text = format!("{error:#}");
            // wasmtime has no type for this one.
            if text.contains("fuel allocated for hostcalls") {
                Fault::Huge { bytes: budget.answer_bytes }
            } else {
                Fault::Trap(printable(&text, limits::ERROR_BYTES))
            }
        }
    }
}
