//! How well a run went, in numbers. Must not know who routed.

use crate::fleets::{MODELS, NodeSpec};
use crate::time::Time;
use crate::trace::CLIENTS;
use crate::world::{Record, Run};

/// Share of requests at the beginning that are not counted: the fleet warms up.
const WARM_UP: f64 = 0.1;

/// Times of many requests, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Mean.
    pub mean: f64,
    /// Half are below.
    pub p50: f64,
    /// 95 of 100 are below.
    pub p95: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// The worst.
    pub worst: f64,
}

/// How well a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// To the first token.
    pub first: Times,
    /// To the whole answer.
    pub whole: Times,
    /// Loads per 1,000 requests.
    pub loads: f64,
    /// Jain's index of how much each client was slowed down in the mean: 1 is alike.
    pub jain: f64,
    /// Share of prompt tokens that were in a cache.
    pub cached: f64,
    /// Requests that were counted.
    pub counted: usize,
    /// Of these, the share without a whole answer.
    pub failed: f64,
    /// Seconds from the first request to the last answer.
    pub lasted: f64,
}

impl Times {
    fn of(mut seconds: Vec<f64>) -> Self {
        if seconds.is_empty() {
            return Self::default();
        }
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds[((seconds.len() as f64 * share) as usize).min(seconds.len() - 1)];
        Self {
            mean: seconds.iter().sum::<f64>() / seconds.len() as f64,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            worst: at(1.0),
        }
    }
}

impl Quality {
    /// Of a run on these machines.
    pub fn of(run: &Run, machines: &[NodeSpec]) -> Self {
        let skipped = (run.records.len() as f64 * WARM_UP) as usize;
        let counted = run.records.get(skipped..).unwrap_or_default();
        let since = counted.first().map_or(Time::default(), |record| record.request.at);
        let good = counted.iter().filter(|record| record.whole_s().is_some());
        let (asked, cached) = run.nodes.iter().fold((0.0, 0.0), |(asked, cached), node| {
            (asked + node.prompt_tokens.0, cached + node.prompt_tokens.1)
        });
        let loads = run.loads.iter().filter(|at| **at >= since).count();
        let first = run.records.first().map_or(Time::default(), |record| record.request.at);
        Self {
            first: Times::of(good.clone().filter_map(Record::first_s).collect()),
            whole: Times::of(good.clone().filter_map(Record::whole_s).collect()),
            loads: loads as f64 * 1e3 / counted.len().max(1) as f64,
            jain: jain(counted, machines),
            cached: cached / f64::max(asked, 1.0),
            counted: counted.len(),
            failed: 1.0 - good.count() as f64 / counted.len().max(1) as f64,
            lasted: (run.ended - first).s(),
        }
    }
}

/// Jain's index over the mean slow-down of each client: completion time beside that on the fastest machine, alone and
/// with the model in memory.
fn jain(records: &[Record], machines: &[NodeSpec]) -> f64 {
    let fastest = |rates: fn(&NodeSpec) -> &[f64; MODELS.len()], model: usize| {
        machines.iter().map(|machine| rates(machine)[model]).fold(0.0, f64::max)
    };
    let mut sums = [(0.0, 0.0); CLIENTS];
    for record in records {
        let Some(whole) = record.whole_s() else { continue };
        let (request, model) = (&record.request, record.request.model.0);
        let alone = (request.prompt - request.said) / fastest(|machine| &machine.prefill, model)
            + request.answer / fastest(|machine| &machine.decode, model);
        let sum = &mut sums[request.client];
        *sum = (sum.0 + whole / alone, sum.1 + 1.0);
    }
    let means: Vec<f64> =
        sums.iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count).collect();
    let (sum, squares) =
        means.iter().fold((0.0, 0.0), |(sum, squares), mean| (sum + mean, squares + mean * mean));
    if squares > 0.0 { sum * sum / (means.len() as f64 * squares) } else { 1.0 }
}

/// The geometric mean; 1 of nothing.
pub fn geometric(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) =
        values.fold((0.0, 0.0), |(sum, count), value: f64| (sum + value.max(1e-9).ln(), count + 1.0));
    if count > 0.0 { f64::exp(sum / count) } else { 1.0 }
}
