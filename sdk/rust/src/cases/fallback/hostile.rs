//! Situations that no case names: none tried, many tried, absurd readings, backends that nobody knows.
//! Must not know: what the right step is, only which steps can be taken at all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Fallback;
use crate::cases::hostile::{ROWS, VALUES, matrix, mixed};
use crate::fallback::{Attempt, Elimination, Failure, FallbackRunner, Step};

const FAILURES: [Failure; 11] = [
    Failure::Connect,
    Failure::Timeout,
    Failure::Status,
    Failure::Overloaded,
    Failure::ModelMissing,
    Failure::NoRoom,
    Failure::ContextTooSmall,
    Failure::Refused,
    Failure::QueueTimeout,
    Failure::StreamCut,
    Failure::Other,
];

/// Attempts already made, as numbers of them.
const TRIED: [u32; 4] = [0, 1, 2, 40];

/// What `F` does wrong in such situations, with its default settings.
pub(in crate::cases) fn problems<F: Fallback>() -> Vec<String> {
    let mut problems = Vec::new();
    for rows in ROWS {
        let fills =
            VALUES.iter().map(|fill| (fill.to_string(), matrix(rows, F::COLUMNS.len(), |_, _| *fill)));
        for (fill, matrix) in fills.chain([("mixed values".to_owned(), mixed(rows, F::COLUMNS.len()))]) {
            for failure in FAILURES {
                for tried in TRIED {
                    let place = || {
                        format!("{rows} rows of {fill}, {tried} attempts of which the last was {failure:?}")
                    };
                    problems.extend(
                        problem::<F>(&matrix, rows, failure, tried)
                            .map(|text| format!("{}: {text}", place())),
                    );
                }
            }
        }
    }
    problems
}

/// The first thing wrong with the answer to one call.
fn problem<F: Fallback>(matrix: &[f64], rows: usize, failure: Failure, count: u32) -> Option<String> {
    let words: Vec<String> = F::WORDS.iter().map(|_| String::new()).collect();
    // Every other attempt is of a backend that is no candidate, and says absurd things of itself.
    let attempt = |place: u32| Attempt {
        slot: if place.is_multiple_of(2) { place / 2 } else { u32::MAX - place },
        why: failure,
        status: if place.is_multiple_of(2) { 0 } else { u16::MAX },
        took_ms: VALUES.get(place as usize % VALUES.len()).copied().unwrap_or(f64::NAN),
    };
    let tried: Vec<Attempt> = (0..count).map(attempt).collect();
    let eliminated =
        [Elimination { slot: u32::MAX, why: String::new() }, Elimination { slot: 0, why: "x".repeat(300) }];
    let answer = || {
        let mut runner = FallbackRunner::<F>::new();
        runner
            .configure(Vec::new())
            .map_err(|problems| format!("the defaults are refused: {}", problems.join("; ")))?;
        runner.next(&words, &tried, &eliminated, matrix)
    };
    let (step, again) = match catch_unwind(AssertUnwindSafe(|| (answer(), answer()))) {
        Ok((Ok(first), Ok(second))) => (first, second),
        Ok((Err(error), _) | (_, Err(error))) => return Some(error),
        Err(_) => return Some("it panics, which ends the plugin's instance".to_owned()),
    };
    if step != again {
        return Some("two calls, two answers".to_owned());
    }
    match step {
        Step::Retry(slot) if usize::try_from(slot).is_ok_and(|slot| slot < rows) => None,
        Step::Retry(slot) => Some(format!("a retry of slot {slot}, which is no candidate")),
        Step::Substitute(name) | Step::GiveUp(name) if name.trim().is_empty() => {
            Some("giving up without a reason, or substitution by nothing".to_owned())
        }
        Step::WaitMs(0) => Some("a wait of no time, which is no wait".to_owned()),
        Step::Substitute(_) | Step::GiveUp(_) | Step::WaitMs(_) | Step::Pass => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::Settings;
    use crate::fallback::Situation;

    /// Misbehaves in the way that its parameter names.
    struct Bad<const HOW: u8>;

    static CALLS: AtomicU32 = AtomicU32::new(0);

    impl<const HOW: u8> Fallback for Bad<HOW> {
        fn new(_settings: &mut Settings) -> Self {
            Bad
        }

        fn next(&self, situation: Situation<'_>) -> Step {
            match HOW {
                b'p' => Step::WaitMs(situation.tried[0].slot),
                b'u' => Step::Retry(situation.last().map_or(0, |attempt| attempt.slot)),
                b'e' => Step::GiveUp(String::new()),
                b'z' => Step::WaitMs(0),
                b'r' => Step::WaitMs(CALLS.fetch_add(1, Ordering::Relaxed) + 1),
                _ => Step::Pass,
            }
        }
    }

    fn check<const HOW: u8>(first: &str) {
        let found = problems::<Bad<HOW>>();
        assert!(found.first().is_some_and(|problem| problem.contains(first)), "{found:?}");
    }

    #[test]
    fn a_rule_that_behaves_has_no_problems() {
        assert_eq!(problems::<Bad<0>>(), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_misbehaviour_is_found() {
        check::<b'p'>("it panics");
        check::<b'u'>("which is no candidate");
        check::<b'e'>("giving up without a reason");
        check::<b'z'>("a wait of no time");
        check::<b'r'>("two calls, two answers");
    }
}
