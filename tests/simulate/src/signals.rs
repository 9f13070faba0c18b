//! The seven signals: as the components that the router ships, run by its plugin host, or the very same sources compiled
//! for this machine, ten times as fast. A test holds the two against each other.
//!
//! Measurements use the components. Thousands of seeds use the native ones, whose answers depend on no clock: a component
//! that is not let run in time on a busy machine is left out, and a run would not be the same twice.

#[cfg(feature = "components")]
mod shipped;

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use herdwick_fleet::{Answer, Column, Generation, Matrix, PluginId, Sheet, SignalPolicy, Words};
use herdwick_sdk::export::SignalRunner;
use herdwick_sdk::{Setting, Signal, Value};

#[cfg(feature = "components")]
pub use self::shipped::components;

/// A setting of one signal that an ablation changes: its signal, its key, its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A number.
    Number(&'static str, &'static str, f64),
    /// True or false.
    Flag(&'static str, &'static str, bool),
}

impl Change {
    fn of(self, signal: &str) -> bool {
        let (Self::Number(of, ..) | Self::Flag(of, ..)) = self;
        of == signal
    }
}

/// The same sources, compiled for this machine.
///
/// # Errors
/// A setting that a signal does not take.
pub fn native(changes: &[Change]) -> Result<Arc<dyn SignalPolicy>> {
    use herdwick_signal_availability_trend::AvailabilityTrend;
    use herdwick_signal_context_fit::ContextFit;
    use herdwick_signal_memory_fit::MemoryFit;
    use herdwick_signal_model_residency::ModelResidency;
    use herdwick_signal_queue_depth::QueueDepth;
    use herdwick_signal_role_affinity::RoleAffinity;
    use herdwick_signal_wait_time::WaitTime;

    let signals = vec![
        One::new::<ModelResidency>("model-residency", changes)?,
        One::new::<MemoryFit>("memory-fit", changes)?,
        One::new::<QueueDepth>("queue-depth", changes)?,
        One::new::<WaitTime>("wait-time", changes)?,
        One::new::<RoleAffinity>("role-affinity", changes)?,
        One::new::<AvailabilityTrend>("availability-trend", changes)?,
        One::new::<ContextFit>("context-fit", changes)?,
    ];
    let mut columns: Vec<Column> = signals.iter().flat_map(|signal| signal.columns.iter().copied()).collect();
    columns.sort();
    columns.dedup();
    let place =
        |column: &Column| columns.binary_search(column).ok().context("a column of a signal is missing");
    let mut set = Native { columns: Arc::default(), signals: Vec::new() };
    for signal in signals {
        let places = signal.columns.iter().map(place).collect::<Result<_>>()?;
        set.signals.push((signal, places));
    }
    set.columns = columns.into();
    Ok(Arc::new(set))
}

/// The same signals and one more: the probability that a machine fails a request, times what failing costs it. It is
/// native and ships with no router; the bench with faults says whether it should.
pub fn with_reliability(policy: Arc<dyn SignalPolicy>) -> Arc<dyn SignalPolicy> {
    let mut columns: Vec<Column> = policy.columns().to_vec();
    columns.extend([Column::ErrorRate, Column::PromptTokens, Column::Prefill]);
    columns.sort();
    columns.dedup();
    Arc::new(Reliability { policy, columns: columns.into() })
}

struct Reliability {
    policy: Arc<dyn SignalPolicy>,
    columns: Arc<[Column]>,
}

/// Beside reading the prompt elsewhere, a failure costs about this, in milliseconds: what it takes to notice.
const NOTICED_MS: f64 = 1_000.0;

impl SignalPolicy for Reliability {
    fn columns(&self) -> Arc<[Column]> {
        Arc::clone(&self.columns)
    }

    fn score(&self, matrix: &Matrix, words: &Words<'_>) -> Sheet {
        let mut sheet = self.policy.score(matrix, words);
        let place = |wanted: Column| self.columns.iter().position(|column| *column == wanted);
        let cost = |values: &[f64]| {
            let read =
                |column| place(column).and_then(|place| values.get(place)).copied().unwrap_or(f64::NAN);
            let share = read(Column::ErrorRate);
            let prompt_ms = read(Column::PromptTokens) / read(Column::Prefill) * 1e3;
            // Nobody who never failed, or was never asked, is charged.
            if share > 0.0 && prompt_ms.is_finite() { share * (NOTICED_MS + prompt_ms) } else { 0.0 }
        };
        let costs = matrix.iter().map(|(_, values)| cost(values)).collect();
        sheet.answers.push(Answer { plugin: PluginId::new("reliability"), weight: 1.0, costs });
        sheet
    }

    fn explain(&self, matrix: &Matrix, words: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        self.policy.explain(matrix, words)
    }
}

/// What a signal is asked: rows as the contract lays them out, for costs or what is wrong with them.
type Costs = Box<dyn Fn(&[f64]) -> Result<Vec<f64>, String> + Send + Sync>;

struct One {
    id: PluginId,
    columns: Vec<Column>,
    costs: Costs,
}

impl One {
    fn new<S: Signal + Send + Sync + 'static>(name: &'static str, changes: &[Change]) -> Result<Self> {
        let mut runner = SignalRunner::<S>::new();
        let given = changes.iter().filter(|change| change.of(name)).map(|change| match *change {
            Change::Number(_, key, value) => Setting { key: key.to_owned(), value: Value::Number(value) },
            Change::Flag(_, key, value) => Setting { key: key.to_owned(), value: Value::Flag(value) },
        });
        let refused =
            |problems: Vec<String>| anyhow!("{name} does not take its settings: {}", problems.join("; "));
        runner.configure(given.collect()).map_err(refused)?;
        let column =
            |name: &str| Column::from_name(name).with_context(|| format!("there is no column {name}"));
        let columns = S::COLUMNS.iter().map(|wanted| column(wanted.name())).collect::<Result<_>>()?;
        Ok(Self { id: PluginId::new(name), columns, costs: Box::new(move |rows| runner.cost(&[], rows)) })
    }
}

struct Native {
    columns: Arc<[Column]>,
    /// Each with the places of its columns among all.
    signals: Vec<(One, Vec<usize>)>,
}

impl SignalPolicy for Native {
    fn columns(&self) -> Arc<[Column]> {
        Arc::clone(&self.columns)
    }

    fn score(&self, matrix: &Matrix, _: &Words<'_>) -> Sheet {
        let mut sheet = Sheet { generation: Generation(1), ..Sheet::default() };
        let mut rows = Vec::new();
        let is_ours = *matrix.columns() == *self.columns;
        for (signal, places) in &self.signals {
            rows.clear();
            // Whoever asks for more than these signals has more in the matrix, and all of it in other places.
            let place = |(column, place): (&Column, &usize)| {
                if is_ours { Some(*place) } else { matrix.columns().iter().position(|there| there == column) }
            };
            let places: Vec<_> = signal.columns.iter().zip(places).map(place).collect();
            for (id, values) in matrix.iter() {
                rows.push(id);
                rows.extend(places.iter().map(|place| place.map_or(f64::NAN, |place| values[place])));
            }
            match (signal.costs)(&rows) {
                Ok(costs) => {
                    let costs = costs.into_iter().map(bounded).collect();
                    sheet.answers.push(Answer { plugin: signal.id.clone(), weight: 1.0, costs });
                }
                Err(problem) => sheet.faults.push((signal.id.clone(), problem)),
            }
        }
        sheet
    }

    fn explain(&self, _: &Matrix, _: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        Vec::new()
    }
}

/// Ten minutes is as much as the router lets one signal say, whatever it says. A veto, or no opinion, stays what it is.
fn bounded(ms: f64) -> f64 {
    const MOST_MS: f64 = 600_000.0;
    if ms.is_finite() { ms.clamp(-MOST_MS, MOST_MS) } else { ms }
}

#[cfg(all(test, feature = "components"))]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A number that could stand in this column, or could not.
    fn number(column: Column, random: &mut Random) -> f64 {
        let name = column.name();
        match random.below(12) {
            0 => f64::NAN,
            1 => 0.0,
            2 => -1.0,
            _ if name.ends_with("-flag") => f64::from(u8::from(random.chance(0.5))),
            _ if name.ends_with("-ratio") => random.between(0.0, 3.0),
            _ if name.ends_with("-level") => random.below(5) as f64,
            _ if name.ends_with("-count") => random.below(9) as f64,
            _ if name.ends_with("-bytes") => random.between(1e9, 6e10),
            _ if name.ends_with("-tokens") => random.between(1.0, 20_000.0),
            _ => random.between(0.1, 30_000.0),
        }
    }

    #[test]
    fn native_signals_answer_as_the_components_do() {
        let changes = [
            Change::Number("role-affinity", "usual_weight", 0.5),
            Change::Flag("role-affinity", "prompt_cache", false),
        ];
        for changes in [&[][..], &changes[..]] {
            let (shipped, native) = (components(changes).unwrap(), native(changes).unwrap());
            // The fallback rules that are shipped beside the signals ask for one more.
            let columns = shipped.columns();
            assert!(native.columns().iter().all(|column| columns.contains(column)));
            let mut random = Random::new(11, "matrices");
            for _ in 0..2_000 {
                let rows = 1 + random.below(6);
                let values = (0..rows).flat_map(|_| columns.iter().copied().collect::<Vec<_>>());
                let values = values.map(|column| number(column, &mut random)).collect();
                let ids = (0..rows).map(|row| row as f64).collect();
                let matrix = Matrix::new(&columns, ids, values);
                let words = Words { model: "medium:8b", endpoint: "/api/chat" };
                let (shipped, native) = (shipped.score(&matrix, &words), native.score(&matrix, &words));
                assert_eq!(shipped.answers.len(), 7);
                for (one, other) in shipped.answers.iter().zip(&native.answers) {
                    assert_eq!(one.plugin, other.plugin);
                    let bits = |answer: &Answer| -> Vec<u64> {
                        answer
                            .costs
                            .iter()
                            .map(|cost| if cost.is_nan() { 0 } else { cost.to_bits() })
                            .collect()
                    };
                    assert_eq!(bits(one), bits(other), "{} of {matrix:?}", one.plugin);
                }
            }
        }
    }
}
