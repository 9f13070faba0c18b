//! What serving a request here takes from other requests: speed of the streams that run or usually run here, and a slot.
//! Must not know: the request's own time as its client counts it; here the whole answer counts, and no weights do.

use herdwick_sdk::service::{Constants, Service};
use herdwick_sdk::{Row, Settings, column};

/// `model.state-level` from which on the model is loading, and from which on it is resident.
const LOADING: f64 = 3.0;
const RESIDENT: f64 = 4.0;

/// The constants of the three losses.
#[derive(Debug)]
pub(crate) struct Prices {
    prefill_drag: f64,
    prefill_limit_ms: f64,
    start_within_ms: f64,
    advantage_limit: f64,
    sole_advantage: f64,
}

/// What others lose, in milliseconds. A loss of which nothing is known is 0.
#[derive(Debug, PartialEq)]
pub(crate) struct Loss {
    /// Of the streams that run here now.
    pub(crate) running_ms: f64,
    /// Of the streams that usually run here.
    pub(crate) usual_ms: f64,
    /// Of the next request that has nowhere as good to go.
    pub(crate) slot_ms: f64,
}

impl Prices {
    pub(crate) fn new(settings: &mut Settings) -> Prices {
        Prices {
            prefill_drag: settings.number("prefill_drag", 0.5, 0.0..=5.0),
            prefill_limit_ms: settings.duration_ms("prefill_limit", "2s", 0.0..=600_000.0),
            start_within_ms: settings.duration_ms("start_within", "500ms", 0.0..=600_000.0),
            advantage_limit: settings.number("advantage_limit", 3.0, 0.0..=100.0),
            sole_advantage: settings.number("sole_advantage", 2.0, 0.0..=100.0),
        }
    }
}

impl Loss {
    /// `None` when a rate is not positive, or a reading cannot be true.
    pub(crate) fn of(row: Row<'_>, service: Service, constants: Constants, prices: &Prices) -> Option<Loss> {
        let streams = Streams { same: service.same_model - 1.0, other: service.other_models };
        let starts_now = starts_in_ms(row)?.is_some_and(|ms| ms <= prices.start_within_ms);
        let whole_ms = service.ms(constants.undiscounted())?;

        let mut running_ms = 0.0;
        if starts_now && streams.count() > 0.0 {
            let prefill_ms = service.prefill_ms()?.min(prices.prefill_limit_ms);
            running_ms = prices.prefill_drag * prefill_ms * streams.count();
            if let Some(rest_ms) = row.known(column::WORK_REST_MS)? {
                let shared_ms = (rest_ms / streams.count()).min(service.decode_ms(constants)?);
                running_ms += shared_ms * streams.drag(constants);
            }
        }

        // Streams that this request meets anyway are in the term above.
        let met = if starts_now { streams } else { Streams { same: 0.0, other: 0.0 } };
        let same_util = row.known(column::WORK_SAME_UTIL_RATIO)?;
        let other_util = row.known(column::WORK_OTHER_UTIL_RATIO)?;
        let unmet = |util: Option<f64>, met: f64| util.map_or(0.0, |util| (util - met).max(0.0));
        let usual_ms = whole_ms
            * (constants.same_drag * unmet(same_util, met.same)
                + constants.other_drag * unmet(other_util, met.other));

        let slots = row.known(column::SLOTS_TOTAL_COUNT)?.filter(|slots| *slots >= 1.0);
        let advantage = advantage(row, service.decode_per_s, prices)?;
        let slot_ms = match (same_util, slots, advantage) {
            (Some(util), Some(slots), Some(advantage)) => {
                whole_ms * (util / slots).min(1.0).powi(2) * advantage
            }
            _ => 0.0,
        };
        Some(Loss { running_ms, usual_ms, slot_ms })
    }
}

/// Streams running here beside this request.
#[derive(Clone, Copy)]
struct Streams {
    same: f64,
    other: f64,
}

impl Streams {
    fn count(self) -> f64 {
        self.same + self.other
    }

    /// By how much of the shared time this request delays all of them together. The router does not say how streams
    /// of other models are divided among these; they are taken to be of one.
    fn drag(self, constants: Constants) -> f64 {
        let Constants { same_drag, other_drag, .. } = constants;
        let slow_down = |own: f64, others: f64| 1.0 + same_drag * (own - 1.0).max(0.0) + other_drag * others;
        same_drag * self.same / slow_down(self.same, self.other)
            + other_drag * self.other / slow_down(self.other, self.same)
    }
}

/// When this request would start here: `Some(None)` where that is unknown, `None` when a reading cannot be true.
fn starts_in_ms(row: Row<'_>) -> Option<Option<f64>> {
    let free = row.known(column::SLOTS_FREE_COUNT)?;
    let first_free_ms = row.known(column::WAIT_FIRST_FREE_MS)?;
    let state = row.known(column::MODEL_STATE_LEVEL)?;
    let load_ms = row.known(column::MODEL_LOAD_MS)?;
    let drain_ms = row.get_or(column::LOAD_DRAIN_MS, 0.0)?;
    let wait_ms = if free.is_some_and(|free| free >= 1.0) { Some(0.0) } else { first_free_ms };
    let ready_ms = match state {
        Some(state) if state >= RESIDENT => Some(0.0),
        Some(state) if state >= LOADING => load_ms,
        Some(_) => load_ms.map(|ms| ms + drain_ms),
        None => None,
    };
    Some(wait_ms.zip(ready_ms).map(|(wait_ms, ready_ms)| wait_ms + ready_ms))
}

/// How much faster the model streams here than where the next request could go instead; inside as in [`starts_in_ms`].
fn advantage(row: Row<'_>, decode_per_s: f64, prices: &Prices) -> Option<Option<f64>> {
    let has_copy = row.known(column::MODEL_COPY_ELSEWHERE_FLAG)?.map(|flag| flag >= 0.5);
    let best_other = row.known(column::RATE_BEST_OTHER_DECODE_PER_S)?.filter(|rate| *rate > 0.0);
    Some(match (has_copy, best_other) {
        (Some(false), _) => Some(prices.sole_advantage),
        // Not `clamp`: its panic text brings the formatting of floats, which doubles the component.
        (_, Some(rate)) => Some((decode_per_s / rate - 1.0).max(0.0).min(prices.advantage_limit)),
        (_, None) => None,
    })
}
