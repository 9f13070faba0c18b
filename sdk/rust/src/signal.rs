//! Signal plugins: what an author implements, and the calls of the contract turned into it.
//! Must not know: the generated bindings; `export` connects the two.

use crate::column::{Column, Layout};
use crate::export::{Wants, wants};
use crate::{Cost, Costs, Row, Rows, Setting, Settings, Topology, Word};

/// A scoring plugin: for each candidate, the milliseconds that choosing it is predicted to cost.
///
/// One plugin holds one idea; the operator's weights combine several. It must be a function of its arguments,
/// its settings and the topology alone: no clock, no randomness, no state kept from one call to the next.
pub trait Signal: Sized {
    /// The readings asked for. A router that lacks one refuses the plugin, unless it is
    /// [`optional`](crate::column::optional).
    const COLUMNS: &'static [Column];
    /// The words about the request asked for. They cost a little on each request, so most signals have none.
    const WORDS: &'static [Word] = &[];
    /// Whether [`Signal::topology`] is to be called.
    const WANTS_TOPOLOGY: bool = false;
    /// Whether an answer may be [`Cost::Veto`]. Needs the grant `veto`.
    const MAY_VETO: bool = false;

    /// Reads the settings. `Settings` answers with defaults and collects problems, so nothing can fail here.
    fn new(settings: &mut Settings) -> Self;

    /// Takes in what changed in the fleet. Called before the first cost when `WANTS_TOPOLOGY` is set.
    fn topology(&mut self, _topology: Topology<'_>) {}

    /// The cost of one candidate. A reading that is missing means [`Cost::Abstain`], never a guess.
    fn cost(&self, row: Row<'_>) -> Cost;

    /// The costs of all candidates, one for each row in their order.
    /// For signals that compare candidates with each other; the default asks [`Signal::cost`] row by row.
    fn costs(&self, rows: Rows<'_>, costs: &mut Costs) {
        for row in rows.iter() {
            costs.push(self.cost(row));
        }
    }

    /// Why this candidate costs what it costs: a short phrase for people, with units. Never on the request path.
    fn explain(&self, row: Row<'_>) -> String;
}

/// A signal as the contract calls it: perhaps not configured yet, and given plain lists.
#[derive(Debug)]
pub struct SignalRunner<S> {
    plugin: Option<S>,
}

impl<S: Signal> SignalRunner<S> {
    /// A plugin that has not been configured.
    pub const fn new() -> Self {
        SignalRunner { plugin: None }
    }

    /// Whether the contract's `topology` is to be called.
    pub const WANTS_TOPOLOGY: bool = S::WANTS_TOPOLOGY;

    /// The columns and words of the contract's `describe`.
    pub fn wants() -> Wants {
        wants(S::COLUMNS, S::WORDS)
    }

    /// The contract's `configure`. After a refusal the plugin stays as it was.
    pub fn configure(&mut self, given: Vec<Setting>) -> Result<(), Vec<String>> {
        let mut settings = Settings::new(given);
        let plugin = S::new(&mut settings);
        settings.finish()?;
        self.plugin = Some(plugin);
        Ok(())
    }

    /// The contract's `topology`.
    pub fn topology(&mut self, topology: Topology<'_>) {
        if let Some(plugin) = &mut self.plugin {
            plugin.topology(topology);
        }
    }

    /// The contract's `cost` and `cost-for`.
    pub fn cost(&self, words: &[String], rows: &[f64]) -> Result<Vec<f64>, String> {
        let plugin = self.plugin.as_ref().ok_or("not configured")?;
        let rows = rows_of::<S>(words, rows)?;
        let mut costs = Costs::with_capacity(rows.len());
        plugin.costs(rows, &mut costs);
        Ok(costs.into_numbers())
    }

    /// The contract's `explain`.
    pub fn explain(&self, words: &[String], rows: &[f64]) -> Vec<String> {
        match (&self.plugin, rows_of::<S>(words, rows)) {
            (Some(plugin), Ok(rows)) => rows.iter().map(|row| plugin.explain(row)).collect(),
            _ => Vec::new(),
        }
    }
}

impl<S: Signal> Default for SignalRunner<S> {
    fn default() -> Self {
        SignalRunner::new()
    }
}

fn rows_of<'a, S: Signal>(words: &'a [String], rows: &'a [f64]) -> Result<Rows<'a>, String> {
    let layout = const { &Layout::of(S::COLUMNS) };
    Rows::new(layout, S::WORDS, words, rows).map_err(|malformed| malformed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{NET_RTT_MS, QUEUE_WAITING_MS};
    use crate::{Value, phrase};

    /// Prefers the nearest of all candidates: a signal that needs all rows at once.
    struct Nearest {
        factor: f64,
    }

    impl Signal for Nearest {
        const COLUMNS: &'static [Column] = &[QUEUE_WAITING_MS, NET_RTT_MS];

        fn new(settings: &mut Settings) -> Nearest {
            Nearest { factor: settings.number("factor", 1.0, 0.0..=10.0) }
        }

        fn cost(&self, row: Row<'_>) -> Cost {
            row.get(NET_RTT_MS).map(|ms| ms * self.factor).into()
        }

        fn costs(&self, rows: Rows<'_>, costs: &mut Costs) {
            let best = rows.iter().filter_map(|row| row.get(NET_RTT_MS)).fold(f64::INFINITY, f64::min);
            for row in rows.iter() {
                costs.push(row.get(NET_RTT_MS).map(|ms| (ms - best) * self.factor).into());
            }
        }

        fn explain(&self, row: Row<'_>) -> String {
            format!("{} away", phrase::ms(row.raw(NET_RTT_MS)))
        }
    }

    fn configured() -> SignalRunner<Nearest> {
        let mut runner = SignalRunner::new();
        let settings = vec![Setting { key: "factor".into(), value: Value::Number(2.0) }];
        runner.configure(settings).unwrap();
        runner
    }

    #[test]
    fn a_batch_signal_sees_every_row() {
        let rows = [1.0, 0.0, 5.0, 2.0, 0.0, 3.0, 3.0, 0.0, f64::NAN];
        let costs = configured().cost(&[], &rows).unwrap();
        assert_eq!(costs.get(..2), Some([4.0, 0.0].as_slice()));
        assert!(costs.get(2).unwrap().is_nan());
        assert_eq!(configured().explain(&[], &rows).first().unwrap(), "5 ms away");
    }

    #[test]
    fn what_is_not_configured_or_malformed_is_an_error_and_not_a_panic() {
        assert_eq!(SignalRunner::<Nearest>::new().cost(&[], &[]), Err("not configured".into()));
        assert!(configured().cost(&[], &[1.0]).is_err());
        assert!(configured().explain(&[], &[1.0]).is_empty());
    }

    #[test]
    fn a_refused_configuration_changes_nothing() {
        let mut runner = configured();
        let settings = vec![Setting { key: "faktor".into(), value: Value::Number(9.0) }];
        assert_eq!(
            runner.configure(settings).unwrap_err(),
            ["`faktor` is not a setting; the nearest is `factor`"]
        );
        assert_eq!(runner.cost(&[], &[1.0, 0.0, 5.0, 2.0, 0.0, 3.0]), Ok(vec![4.0, 0.0]));
    }
}
