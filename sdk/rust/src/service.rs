//! How long a candidate is predicted to need for this request itself: the formula that several signals share.
//! Must not know: queues, loads, and anything else that comes before the first prompt token.

use crate::column;
use crate::{Row, Settings};

/// The formula's constants. Each signal that uses the formula has them as settings of these names, so that an
/// operator, or the router for all of them, changes one idea in one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// Weight of the answer against the prompt. At 0.5 the mean of first-token and completion time is minimised.
    pub decode_weight: f64,
    /// Slow-down of a stream by each further stream of the same model.
    pub same_drag: f64,
    /// Slow-down of a stream by each stream of another model.
    pub other_drag: f64,
}

impl Constants {
    /// The constants as simulated.
    pub const DEFAULT: Constants = Constants { decode_weight: 0.5, same_drag: 0.15, other_drag: 0.5 };

    /// Reads the settings `decode_weight`, `same_drag` and `other_drag`.
    pub fn new(settings: &mut Settings) -> Constants {
        let Constants { decode_weight, same_drag, other_drag } = Constants::DEFAULT;
        Constants {
            decode_weight: settings.number("decode_weight", decode_weight, 0.0..=1.0),
            same_drag: settings.number("same_drag", same_drag, 0.0..=5.0),
            other_drag: settings.number("other_drag", other_drag, 0.0..=5.0),
        }
    }

    /// The same, with the drags that the router learned of this candidate, where it has. `None` for an impossible reading.
    ///
    /// The plugin's `COLUMNS` must have `rate.same-drag-ratio` and `rate.other-drag-ratio`.
    pub fn learned(self, row: Row<'_>) -> Option<Constants> {
        Some(Constants {
            same_drag: row.get_or(column::RATE_SAME_DRAG_RATIO, self.same_drag)?,
            other_drag: row.get_or(column::RATE_OTHER_DRAG_RATIO, self.other_drag)?,
            ..self
        })
    }

    /// The same, with the whole answer counted: what a request takes from others, not what it is worth to its client.
    pub const fn undiscounted(self) -> Constants {
        Constants { decode_weight: 1.0, ..self }
    }
}

impl Default for Constants {
    fn default() -> Constants {
        Constants::DEFAULT
    }
}

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
    pub fn slow_down(self, constants: Constants) -> f64 {
        1.0 + constants.same_drag * (self.same_model - 1.0).max(0.0)
            + constants.other_drag * self.other_models.max(0.0)
    }

    /// `(prompt − cached) / prefill`, in milliseconds.
    ///
    /// `None` when the rate is not positive. A cache larger than the prompt saves the prompt and no more.
    pub fn prefill_ms(self) -> Option<f64> {
        time_ms((self.prompt_tokens - self.cached_tokens).max(0.0), self.prefill_per_s)
    }

    /// `expected · F / decode`, in milliseconds: how long this request would stream. `None` as for the prompt.
    pub fn decode_ms(self, constants: Constants) -> Option<f64> {
        time_ms(self.expected_tokens * self.slow_down(constants), self.decode_per_s)
    }

    /// `(prompt − cached) / prefill + 0.5 · expected · F / decode`, in milliseconds; `None` when a rate is not positive.
    pub fn ms(self, constants: Constants) -> Option<f64> {
        Some(self.prefill_ms()? + constants.decode_weight * self.decode_ms(constants)?)
    }
}

/// `None` for what no finite number of milliseconds describes.
fn time_ms(tokens: f64, per_s: f64) -> Option<f64> {
    Some(tokens / per_s * 1000.0).filter(|ms| per_s > 0.0 && ms.is_finite())
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
        assert_eq!(ALONE.ms(Constants::DEFAULT), Some(2000.0 + 0.5 * 4000.0));
    }

    #[test]
    fn prompt_and_answer_add_up_and_a_whole_answer_counts_whole() {
        assert_eq!((ALONE.prefill_ms(), ALONE.decode_ms(Constants::DEFAULT)), (Some(2000.0), Some(4000.0)));
        assert_eq!(ALONE.ms(Constants::DEFAULT.undiscounted()), Some(6000.0));
    }

    #[test]
    fn the_constants_are_settings_with_the_simulated_defaults() {
        let mut settings = Settings::default();
        assert_eq!(Constants::new(&mut settings), Constants::DEFAULT);
        let asked: Vec<&str> = settings.asked().iter().map(|setting| setting.key.as_str()).collect();
        assert_eq!(asked, ["decode_weight", "same_drag", "other_drag"]);
    }

    #[test]
    fn a_cached_prompt_is_free_and_never_worth_more_than_the_prompt() {
        assert_eq!(Service { cached_tokens: 1000.0, ..ALONE }.ms(Constants::DEFAULT), Some(2000.0));
        assert_eq!(Service { cached_tokens: 5000.0, ..ALONE }.ms(Constants::DEFAULT), Some(2000.0));
    }

    #[test]
    fn company_slows_the_answer_and_not_the_prompt() {
        let busy = Service { same_model: 3.0, other_models: 1.0, ..ALONE };
        assert!((busy.slow_down(Constants::DEFAULT) - 1.8).abs() < 1e-12);
        assert!((busy.ms(Constants::DEFAULT).unwrap() - (2000.0 + 0.5 * 4000.0 * 1.8)).abs() < 1e-9);
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
    fn learned_drags_outrank_the_constants_where_they_are_known() {
        static LAYOUT: Layout = Layout::of(&[column::RATE_SAME_DRAG_RATIO, column::RATE_OTHER_DRAG_RATIO]);
        let read = |numbers: &[f64; 3]| {
            let rows = Rows::new(&LAYOUT, &[], &[], numbers).unwrap();
            rows.iter().next().and_then(|row| Constants::DEFAULT.learned(row))
        };
        let learned = Constants { same_drag: 0.4, ..Constants::DEFAULT };
        assert_eq!(read(&[1.0, 0.4, f64::NAN]), Some(learned));
        assert_eq!(read(&[1.0, f64::NAN, f64::NAN]), Some(Constants::DEFAULT));
        assert_eq!(read(&[1.0, -0.4, f64::NAN]), None);
    }

    #[test]
    fn without_rates_there_is_no_prediction() {
        assert_eq!(Service { prefill_per_s: 0.0, ..ALONE }.ms(Constants::DEFAULT), None);
        assert_eq!(Service { decode_per_s: f64::NAN, ..ALONE }.ms(Constants::DEFAULT), None);
        assert_eq!(Service { decode_per_s: 1e-320, ..ALONE }.ms(Constants::DEFAULT), None);
    }
}
