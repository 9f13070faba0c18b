//! One instance of one plugin in a store of its own, and one guarded call: budget, answer size, faults.
//!
//! A trap kills everything in its store, so no two instances share one.

use std::sync::Arc;

use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::bindings::SignalPlugin;
use crate::engine::Ticker;
use crate::fault::Fault;
use crate::limits::{self, Budget};
use crate::overtime;
use crate::sandbox::{Moment, Room, Sandbox, printable};
use crate::topology::Topology;
use crate::world::{Manifest, Setting, World};

/// A plugin that can be called; which calls it has besides those of every plugin depends on its world.
pub(crate) struct Instance<W = SignalPlugin> {
    store: Store<Sandbox>,
    plugin: W,
    ticker: Arc<Ticker>,
}

impl<W: World> Instance<W> {
    /// Instantiates, without calling anything of the plugin's but its start function.
    pub(crate) fn new(
        engine: &Engine,
        ticker: &Arc<Ticker>,
        pre: &W::Pre,
        room: Room,
    ) -> Result<Self, Fault> {
        let mut store = Store::new(engine, Sandbox::new(room));
        store.limiter(|sandbox| &mut sandbox.limits);
        store.epoch_deadline_callback(|mut context| {
            let granted = context.data_mut().overtime.look(overtime::spent());
            Ok(granted.map_or(UpdateDeadline::Interrupt, UpdateDeadline::Continue))
        });
        let budget = cold(room.large);
        begin(&mut store, ticker, budget);
        let plugin = W::instantiate(pre, &mut store).map_err(|error| classify(&error, budget))?;
        Ok(Self { store, plugin, ticker: Arc::clone(ticker) })
    }

    pub(crate) fn describe(&mut self) -> Result<Manifest, Fault> {
        self.call(limits::DESCRIBE, W::describe)
    }

    /// Whose log lines these are from now on.
    pub(crate) fn name(&mut self, plugin: herdwick_fleet::PluginId) {
        self.store.data_mut().plugin = Some(plugin);
    }

    /// When the coming calls happen, for plugins that look at a clock.
    pub(crate) fn at(&mut self, moment: Moment) {
        self.store.data_mut().moment = moment;
    }

    /// Gives it its settings; its problems with them come back as texts.
    pub(crate) fn configure(&mut self, settings: &[Setting]) -> Result<Result<(), Vec<String>>, Fault> {
        let budget = cold(self.store.data().large);
        let answer = self.call(budget, |plugin, store| plugin.configure(store, settings))?;
        Ok(answer.map_err(|problems| {
            problems.iter().map(|problem| printable(problem, limits::ERROR_BYTES)).collect()
        }))
    }

    /// Tells it who is in the fleet.
    pub(crate) fn topology(&mut self, topology: &Topology) -> Result<(), Fault> {
        let budget = cold(self.store.data().large);
        self.call(budget, |plugin, store| plugin.topology(store, topology))
    }

    pub(crate) fn call<T>(
        &mut self,
        budget: Budget,
        call: impl FnOnce(&W, &mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        begin(&mut self.store, &self.ticker, budget);
        call(&self.plugin, &mut self.store).map_err(|error| classify(&error, budget))
    }
}

impl Instance {
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
}

impl Instance {
    /// One phrase per row.
    pub(crate) fn explain(&mut self, words: &[String], rows: &[f64]) -> Result<Vec<String>, Fault> {
        let phrases = self.call(limits::EXPLAIN, |plugin, store| {
            plugin.herdwick_plugin_explain().call_explain(store, words, rows)
        })?;
        Ok(phrases.iter().map(|phrase| printable(phrase, limits::PHRASE_BYTES)).collect())
    }
}

/// The budget of calls that are made once per instance.
fn cold(large: bool) -> Budget {
    if large { limits::CONFIGURE_LARGE } else { limits::CONFIGURE }
}

/// Sets what the coming call may take: a few stores, nothing measurable.
fn begin(store: &mut Store<Sandbox>, ticker: &Ticker, budget: Budget) {
    ticker.call_begins();
    // The tick that is under way counts as one, so one more is needed for the whole budget.
    store.set_epoch_deadline(budget.ms + 1);
    store.set_hostcall_fuel(budget.answer_bytes);
    let sandbox = store.data_mut();
    sandbox.overtime.begin(budget.ms);
    sandbox.begin_call();
}

fn classify(error: &wasmtime::Error, budget: Budget) -> Fault {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Fault::Deadline { ms: budget.ms },
        Some(trap) => Fault::Trap(trap.to_string()),
        None => {
            let text = format!("{error:#}");
            // wasmtime has no type for this one.
            if text.contains("fuel allocated for hostcalls") {
                return Fault::Huge { bytes: budget.answer_bytes };
            }
            // Above the cause of a trap stands the guest's backtrace, which says nothing to its operator.
            let cause = error.root_cause().to_string();
            let told = if text.contains("wasm backtrace") { &cause } else { &text };
            Fault::Trap(printable(told, limits::ERROR_BYTES))
        }
    }
}
