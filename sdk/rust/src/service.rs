//! How long a candidate is predicted to need for this request itself: the formula that several signals share.
//! Must not know: queues, loads, and anything else that comes before the first prompt token.

use crate::Row;
use crate::column;

/// Weight of the answer against the prompt: the router minimises the mean of first-token and completion time.
pub const DECODE_WEIGHT: f64 = 0.5;
/// Slow-down of a stream by each further stream of the same model.
pub const SAME_MODEL_DRAG: f64 = 0.15;
/// Slow-down of a stream by each stream of another model.
pub const OTHER_MODEL_DRAG: f64 = 0.5;

/// What the service time depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Service {
    /// Tokens of the prompt.
    pub prompt_tokens: f64,
    /// Those of them in the backend's prompt cache.
    pub cached_tokens: f64,
    /// Tokens the answer is expected to have.
    pub expected_tokens: f64,
    /// Prompt tokens per second.
    pub prefill_per_s: f64,
    /// Answer tokens per second of one stream alone.
    pub decode_per_s: f64,
    /// Streams of this model, this request among them.
    pub same_model: f64,
    /// Streams of other models.
    pub other_models: f64,
}

impl Service {
    /// Reads a row. `None` when a length or a rate is unknown, or anything is out of range; an unknown
    /// cache or stream count counts as none.
    ///
    /// The plugin's `COLUMNS` must have `req.prompt-tokens`, `req.expected-tokens`, `prefix.cached-tokens`,
    /// `rate.prefill-per-s`, `rate.decode-per-s`, `work.same-count` and `work.other-count`.
    pub fn from_row(row: Row<'_>) -> Option<Service> {
        Some(Service {
            prompt_tokens: row.get(column::REQ_PROMPT_TOKENS)?,
            cached_tokens: row.get_or(column::PREFIX_CACHED_TOKENS, 0.0)?,
            expected_tokens: row.get(column::REQ_EXPECTED_TOKENS)?,
            prefill_per_s: row.get(column::RATE_PREFILL_PER_S)?,
            decode_per_s: row.get(column::RATE_DECODE_PER_S)?,
            same_model: row.get_or(column::WORK_SAME_COUNT, 0.0)? + 1.0,
            other_models: row.get_or(column::WORK_OTHER_COUNT, 0.0)?,
        })
    }

    /// `F = 1 + 0.15·(a − 1) + 0.5·o`: how many times slower a stream is than alone.
    pub fn slow_down(self) -> f64 {
        1.0 + SAME_MODEL_DRAG * (self.same_model - 1.0).max(0.0)
            + OTHER_MODEL_DRAG * self.other_models.max(0.0)
    }

    /// `(prompt − cached) / prefill + 0.5 · expected · F / decode`, in milliseconds.
    ///
    /// `None` when a rate is not positive. A cache larger than the prompt saves the prompt and no more.
    pub fn ms(self) -> Option<f64> {
        if !(self.prefill_per_s > 0.0 && self.decode_per_s > 0.0) {
            return None;
        }
        let prefill_s = (self.prompt_tokens - self.cached_tokens).max(0.0) / self.prefill_per_s;
        let decode_s = self.expected_tokens * self.slow_down() / self.decode_per_s;
        Some((prefill_s + DECODE_WEIGHT * decode_s) * 1000.0).filter(|ms| ms.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;
    use crate::column::Layout;

    const ALONE: Service = Service {
        prompt_tokens: 1000.0,
        cached_tokens: 0.0,
        expected_tokens: 200.0,
        prefill_per_s: 500.0,
        decode_per_s: 50.0,
        same_model: 1.0,
        other_models: 0.0,
    };

    #[test]
    fn a_request_alone_costs_its_prompt_and_half_its_answer() {
        assert_eq!(ALONE.ms(), Some(2000.0 + 0.5 * 4000.0));
    }

    #[test]
    fn a_cached_prompt_is_free_and_never_worth_more_than_the_prompt() {
        assert_eq!(Service { cached_tokens: 1000.0, ..ALONE }.ms(), Some(2000.0));
        assert_eq!(Service { cached_tokens: 5000.0, ..ALONE }.ms(), Some(2000.0));
    }

    #[test]
    fn company_slows_the_answer_and_not_the_prompt() {
        let busy = Service { same_model: 3.0, other_models: 1.0, ..ALONE };
        assert!((busy.slow_down() - 1.8).abs() < 1e-12);
        assert!((busy.ms().unwrap() - (2000.0 + 0.5 * 4000.0 * 1.8)).abs() < 1e-9);
    }

    #[test]
    fn a_row_gives_what_the_formula_needs_and_adds_the_request_itself() {
        static LAYOUT: Layout = Layout::of(&[
            column::REQ_PROMPT_TOKENS,
            column::REQ_EXPECTED_TOKENS,
            column::PREFIX_CACHED_TOKENS,
            column::RATE_PREFILL_PER_S,
            column::RATE_DECODE_PER_S,
            column::WORK_SAME_COUNT,
            column::WORK_OTHER_COUNT,
        ]);
        let read = |numbers: &[f64; 8]| {
            let rows = Rows::new(&LAYOUT, &[], &[], numbers).unwrap();
            rows.iter().next().and_then(Service::from_row)
        };
        assert_eq!(read(&[1.0, 1000.0, 200.0, f64::NAN, 500.0, 50.0, 0.0, f64::NAN]), Some(ALONE));
        assert_eq!(read(&[1.0, 1000.0, f64::NAN, 0.0, 500.0, 50.0, 0.0, 0.0]), None);
        assert_eq!(read(&[1.0, 1000.0, 200.0, 0.0, 500.0, 50.0, -1.0, 0.0]), None);
    }

    #[test]
    fn without_rates_there_is_no_prediction() {
        assert_eq!(Service { prefill_per_s: 0.0, ..ALONE }.ms(), None);
        assert_eq!(Service { decode_per_s: f64::NAN, ..ALONE }.ms(), None);
        assert_eq!(Service { decode_per_s: 1e-320, ..ALONE }.ms(), None);
    }
}
