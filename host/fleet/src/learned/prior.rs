//! How fast a model is taken to be where nothing was learned yet, from its size and the machine's memory. Must not know
//! any answer.

use crate::learned::shown::Company;

/// How many times faster than it probably is everything unknown is taken to be: so an unknown machine is tried by its
/// ordinary cost and corrected by its first answers. In simulation 1.5 costs nothing and 0.67 9 %, and no random
/// exploration ever paid.
pub const OPTIMISM: f64 = 1.5;
/// Memory bandwidth of a machine that tells none: two channels of DDR5, or the smallest of Apple's chips.
pub const BANDWIDTH_BYTES_PER_S: f64 = 1e11;
/// A load from disk where nothing was learned: a SATA drive has half of it, NVMe three to seven times as much.
pub const LOAD_DISK_BYTES_PER_S: f64 = 1e9;
/// A load from the page cache: what copying and uploading leave of memory bandwidth.
pub const LOAD_CACHE_BYTES_PER_S: f64 = 4e9;
/// Prompt tokens are read this many times as fast as answer tokens are made: 4 on processors, 10 on Apple's, 30 and
/// more on large cards.
pub const PREFILL_RATIO: f64 = 10.0;
/// Slow-down of a stream by each further one of its model, and by each of another, as simulated.
pub const SAME_DRAG: f64 = 0.15;
/// See [`SAME_DRAG`].
pub const OTHER_DRAG: f64 = 0.5;

/// How fast a model is on a backend, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Prompt tokens per second.
    pub prefill_per_s: f64,
    /// Answer tokens per second of one stream alone.
    pub decode_per_s: f64,
    /// Answers behind both; 0 = guessed.
    pub samples: u32,
    /// Slow-down of a stream by each further stream of the same model, as a share.
    pub same_drag: f64,
    /// Slow-down by each stream of another model.
    pub other_drag: f64,
}

impl Rates {
    /// Of a model of so many bytes on a machine whose memory has this bandwidth, if it told one: each answer token reads
    /// the whole model once. `None` when nobody told the model's size.
    pub fn guess(bytes: u64, bandwidth_bytes_per_s: Option<f64>) -> Option<Self> {
        if bytes == 0 {
            return None;
        }
        let told = bandwidth_bytes_per_s.filter(|told| told.is_finite() && *told > 0.0);
        Some(Self::of_decode(OPTIMISM * told.unwrap_or(BANDWIDTH_BYTES_PER_S) / bytes as f64))
    }

    /// What follows from the rate of answers alone.
    pub(super) fn of_decode(decode_per_s: f64) -> Self {
        let prefill_per_s = decode_per_s * PREFILL_RATIO;
        Self { prefill_per_s, decode_per_s, samples: 0, same_drag: SAME_DRAG, other_drag: OTHER_DRAG }
    }

    /// `F`: how many times slower a stream is in this company than alone. It is itself among `company.same`.
    pub fn slow_down(&self, company: Company) -> f64 {
        1.0 + self.same_drag * (company.same - 1.0).max(0.0) + self.other_drag * company.other.max(0.0)
    }

    /// Time for reading so many prompt tokens, in milliseconds.
    pub fn prefill_ms(&self, tokens: f64) -> f64 {
        tokens.max(0.0) / self.prefill_per_s * 1e3
    }

    /// Time for making so many answer tokens in this company, in milliseconds.
    pub fn decode_ms(&self, tokens: f64, company: Company) -> f64 {
        tokens.max(0.0) * self.slow_down(company) / self.decode_per_s * 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_taken_for_fast() {
        let known = Rates::guess(5_000_000_000, Some(2e11)).expect("a size is known");
        assert_eq!((known.decode_per_s, known.prefill_per_s, known.samples), (60.0, 600.0, 0));
        let unknown = Rates::guess(5_000_000_000, None).expect("a size is known");
        assert_eq!(unknown.decode_per_s, 30.0);
        assert_eq!(Rates::guess(5_000_000_000, Some(f64::NAN)), Some(unknown));
        assert_eq!(Rates::guess(0, Some(2e11)), None);
    }

    #[test]
    fn company_slows_a_stream_down() {
        let rates = Rates::guess(5_000_000_000, Some(2e11)).expect("a size is known");
        assert_eq!(rates.slow_down(Company::ALONE), 1.0);
        assert!((rates.slow_down(Company { same: 3.0, other: 1.0 }) - 1.8).abs() < 1e-12);
        assert_eq!(rates.decode_ms(60.0, Company::ALONE), 1_000.0);
        assert_eq!(rates.prefill_ms(300.0), 500.0);
    }
}
