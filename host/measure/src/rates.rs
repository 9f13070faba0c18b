//! From when things came to how fast they are made. Pure arithmetic.

use std::time::{Duration, Instant};

use crate::timeline::Timeline;

/// Two lengths tell how long a token takes only if the longer one takes at least this much longer.
const LONGER: f64 = 1.1;
/// A server whose own clock disagrees with ours by more than this share is told of.
const DISAGREES: f64 = 0.3;
/// Pieces without which a pace is no pace.
const PIECES: usize = 8;

/// How fast prompts are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prefilling {
    /// Tokens per second.
    pub per_s: f64,
    /// Answers behind it.
    pub samples: u32,
    /// Whether the server's own clock says something else.
    pub disagrees: bool,
}

/// How fast answers are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoding {
    /// Tokens per second of one answer.
    pub per_s: f64,
    /// Answers that ran at once.
    pub streams: u32,
    /// Answers behind it.
    pub samples: u32,
    /// Whether the server's own clock says something else.
    pub disagrees: bool,
}

/// The rate at which prompts are read, from answers to prompts of two lengths. What every answer takes besides (the way
/// there and back, the first token) falls out, since it is the difference that counts. `None` when nothing can be told.
pub fn prefilling(short: &[Timeline], long: &[Timeline]) -> Option<Prefilling> {
    let (short_tokens, short_s) = quickest(short)?;
    let (long_tokens, long_s) = quickest(long)?;
    let per_s = if long_tokens > short_tokens && long_s > short_s * LONGER {
        (long_tokens - short_tokens) / (long_s - short_s)
    } else {
        // Reading takes so little that what comes with it hides it: it is at least as fast as this.
        long_tokens / long_s
    };
    let told: Vec<f64> = long.iter().filter_map(told_prefill).collect();
    let samples = u32::try_from(short.len() + long.len()).unwrap_or(u32::MAX);
    Some(Prefilling { per_s, samples, disagrees: disagree(per_s, &told) })
}

/// The rate of one answer while all of these ran: only the time counts in which every one of them was under way.
pub fn decoding(answers: &[Timeline]) -> Option<Decoding> {
    let begin = answers.iter().map(|it| it.pieces.first()).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let end = answers.iter().map(|it| it.pieces.last()).collect::<Option<Vec<_>>>()?.into_iter().min()?;
    let rates: Vec<f64> = answers.iter().filter_map(|it| pace(it, *begin, *end)).collect();
    if rates.len() < answers.len() {
        return None;
    }
    let per_s = rates.iter().sum::<f64>() / rates.len() as f64;
    let told: Vec<f64> = answers.iter().filter_map(told_decode).collect();
    let streams = u32::try_from(answers.len()).unwrap_or(u32::MAX);
    Some(Decoding { per_s, streams, samples: streams, disagrees: disagree(per_s, &told) })
}

/// Tokens and seconds of the quickest of answers to prompts of about one length. Whatever disturbed one made it slower.
fn quickest(answers: &[Timeline]) -> Option<(f64, f64)> {
    let known = answers.iter().filter_map(|it| Some((it.prompt_tokens? as f64, it.first()?.as_secs_f64())));
    known
        .filter(|(tokens, s)| *tokens > 0.0 && *s > 0.0)
        .min_by(|one, two| (one.1 / one.0).total_cmp(&(two.1 / two.0)))
}

/// Tokens per second of one answer between two moments.
fn pace(answer: &Timeline, begin: Instant, end: Instant) -> Option<f64> {
    let inside: Vec<Instant> =
        answer.pieces.iter().copied().filter(|at| (begin..=end).contains(at)).collect();
    let (first, last) = (inside.first()?, inside.last()?);
    let took = last.duration_since(*first).as_secs_f64();
    (inside.len() >= PIECES && took > 0.0).then(|| (inside.len() - 1) as f64 * answer.per_piece() / took)
}

fn told_prefill(answer: &Timeline) -> Option<f64> {
    rate(answer.prompt_tokens?, answer.told?.prompt)
}

fn told_decode(answer: &Timeline) -> Option<f64> {
    rate(answer.answer_tokens?, answer.told?.answer)
}

fn rate(tokens: u64, took: Duration) -> Option<f64> {
    (!took.is_zero()).then(|| tokens as f64 / took.as_secs_f64())
}

fn disagree(per_s: f64, told: &[f64]) -> bool {
    let best = told.iter().copied().max_by(f64::total_cmp);
    best.is_some_and(|told| (told / per_s - 1.0).abs() > DISAGREES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Told;

    const MS: Duration = Duration::from_millis(1);

    /// Pieces `pace` ms apart, the first after `first` ms.
    fn answer(prompt: u64, first: u32, pace: u32, count: u32) -> Timeline {
        let sent = Instant::now();
        let pieces = (0..count).map(|index| sent + MS * (first + pace * index)).collect();
        let (prompt_tokens, answer_tokens) = (Some(prompt), Some(u64::from(count)));
        Timeline { sent, pieces, prompt_tokens, answer_tokens, told: None }
    }

    #[test]
    fn what_every_answer_takes_falls_out() {
        // A second per thousand tokens, and 300 ms that have nothing to do with them.
        let (short, long) = (answer(200, 500, 10, 8), answer(2_000, 2_300, 10, 8));
        let slower = answer(2_000, 4_000, 10, 8);
        let found = prefilling(&[short], &[slower, long]).expect("a rate");
        assert!((found.per_s - 1_000.0).abs() < 1e-6 && found.samples == 3, "{found:?}");
    }

    #[test]
    fn reading_that_takes_no_time_is_at_least_as_fast_as_all_of_it() {
        let found = prefilling(&[answer(200, 100, 10, 8)], &[answer(2_000, 101, 10, 8)]).expect("a rate");
        assert!((found.per_s - 2_000.0 / 0.101).abs() < 1e-6, "{found:?}");
        assert_eq!(prefilling(&[], &[answer(1, 1, 1, 9)]), None);
        let silent = Timeline { pieces: Vec::new(), ..answer(200, 100, 10, 8) };
        assert_eq!(prefilling(&[silent], &[answer(2_000, 101, 10, 8)]), None);
    }

    #[test]
    fn only_the_time_counts_in_which_all_ran() {
        let alone = decoding(&[answer(10, 100, 20, 50)]).expect("a rate");
        assert!((alone.per_s - 50.0).abs() < 1e-6, "{alone:?}");
        let sent = Instant::now();
        let at = |ms: u32| sent + MS * ms;
        // Fast while it is alone, half as fast beside the other, which begins late.
        let early = (0..50).map(|i| at(i * 10)).chain((1..50).map(|i| at(490 + i * 20))).collect();
        let late = (0..40).map(|i| at(500 + i * 20)).collect();
        let of = |pieces: Vec<Instant>| Timeline {
            sent,
            answer_tokens: Some(pieces.len() as u64),
            pieces,
            prompt_tokens: None,
            told: None,
        };
        let both = decoding(&[of(early), of(late)]).expect("a rate");
        assert!((both.per_s - 50.0).abs() < 2.0 && both.streams == 2, "{both:?}");
    }

    #[test]
    fn an_answer_that_is_too_short_tells_nothing() {
        assert_eq!(decoding(&[answer(10, 100, 20, 7)]), None);
        assert_eq!(
            decoding(&[answer(10, 100, 20, 50), answer(10, 900, 20, 50)]).map(|it| it.streams),
            Some(2)
        );
        assert_eq!(decoding(&[answer(10, 100, 20, 50), answer(10, 5_000, 20, 50)]), None, "never at once");
        assert_eq!(decoding(&[]), None);
    }

    #[test]
    fn several_tokens_in_a_piece_are_counted() {
        let packed = Timeline { answer_tokens: Some(100), ..answer(10, 100, 20, 50) };
        let found = decoding(&[packed]).expect("a rate");
        assert!((found.per_s - 100.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn a_server_that_says_something_else_of_itself_is_told_of() {
        let told =
            |prompt, answer| Some(Told { load: Duration::ZERO, prompt: MS * prompt, answer: MS * answer });
        for (answer_ms, disagrees) in [(1_000, false), (900, false), (300, true), (2_000, true)] {
            let one = Timeline { told: told(1, answer_ms), ..answer(10, 100, 20, 50) };
            assert_eq!(decoding(&[one]).map(|it| it.disagrees), Some(disagrees), "{answer_ms}");
        }
        let long = Timeline { told: told(600, 1), ..answer(2_000, 2_300, 10, 8) };
        let found = prefilling(&[answer(200, 500, 10, 8)], &[long]).expect("a rate");
        assert!(found.disagrees, "it says 3,333 tokens/s");
    }
}
