//! Input that no case names: empty, long, unknown, infinite and absurd readings.
//! Must not know: what the right answer is, only which shapes an answer may have.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Signal;
use crate::signal::SignalRunner;

/// Longest phrase the router shows; it cuts what is longer.
const PHRASE_CHARS: usize = 120;
pub(super) const ROWS: [usize; 4] = [0, 1, 8, 64];

/// Values that fill all readings of all rows at once; then each row gets another one of them.
pub(super) const VALUES: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e18,
    -1e18,
    f64::MAX,
    f64::MIN_POSITIVE,
    0.5,
];

/// What `S` does wrong with such input, with its default settings.
pub(super) fn problems<S: Signal>() -> Vec<String> {
    let mut problems = Vec::new();
    for rows in ROWS {
        for fill in VALUES {
            let matrix = matrix(rows, S::COLUMNS.len(), |_, _| fill);
            problems.extend(problem::<S>(rows, &matrix).map(|text| format!("{rows} rows of {fill}: {text}")));
        }
        let matrix = mixed(rows, S::COLUMNS.len());
        problems
            .extend(problem::<S>(rows, &matrix).map(|text| format!("{rows} rows of mixed values: {text}")));
    }
    problems
}

/// Rows whose slots are their places.
pub(super) fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let row = |row: usize| {
        std::iter::once(row as f64)
            .chain((0..columns).map(move |column| (row, column)).map(|(row, column)| value(row, column)))
    };
    (0..rows).flat_map(row).collect()
}

/// Rows in which every kind of value stands beside every other.
pub(super) fn mixed(rows: usize, columns: usize) -> Vec<f64> {
    let value = |row: usize, column: usize| VALUES.get((row * 7 + column * 5 + rows) % VALUES.len());
    matrix(rows, columns, |row, column| value(row, column).copied().unwrap_or(f64::NAN))
}

/// The first thing wrong with the answers to one call.
fn problem<S: Signal>(rows: usize, matrix: &[f64]) -> Option<String> {
    let words: Vec<String> = S::WORDS.iter().map(|_| String::new()).collect();
    let answer = || {
        let mut runner = SignalRunner::<S>::new();
        runner
            .configure(Vec::new())
            .map_err(|problems| format!("the defaults are refused: {}", problems.join("; ")))?;
        Ok((runner.cost(&words, matrix)?, runner.explain(&words, matrix)))
    };
    let ((costs, phrases), (again, _)) = match catch_unwind(AssertUnwindSafe(|| (answer(), answer()))) {
        Ok((Ok(first), Ok(second))) => (first, second),
        Ok((Err(error), _) | (_, Err(error))) => return Some(error),
        Err(_) => return Some("it panics, which ends the plugin's instance".to_owned()),
    };
    if costs.len() != rows || phrases.len() != rows {
        return Some(format!("{} costs and {} phrases", costs.len(), phrases.len()));
    }
    if costs.contains(&f64::INFINITY) && !S::MAY_VETO {
        return Some("a veto without MAY_VETO".to_owned());
    }
    let bits = |costs: &[f64]| costs.iter().map(|cost| cost.to_bits()).collect::<Vec<_>>();
    if bits(&costs) != bits(&again) {
        return Some("two calls, two answers".to_owned());
    }
    let long = phrases.iter().find(|phrase| phrase.chars().count() > PHRASE_CHARS)?;
    Some(format!("a phrase of more than {PHRASE_CHARS} characters: {long}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::column::NET_RTT_MS;
    use crate::{Column, Cost, Costs, Row, Rows, Settings};

    /// Misbehaves in the way that its parameter names.
    struct Bad<const HOW: u8>;

    /// What no plugin may have: something that outlives its instance.
    static CALLS: AtomicU32 = AtomicU32::new(0);

    impl<const HOW: u8> Signal for Bad<HOW> {
        const COLUMNS: &'static [Column] = &[NET_RTT_MS];

        fn new(settings: &mut Settings) -> Self {
            if HOW == b'd' {
                settings.problem("never content".to_owned());
            }
            Bad
        }

        fn cost(&self, row: Row<'_>) -> Cost {
            match HOW {
                b'v' => Cost::Veto,
                b'p' => Cost::Ms([1.0][row.slot() as usize]),
                b'r' => Cost::Ms(f64::from(CALLS.fetch_add(1, Ordering::Relaxed))),
                _ => row.get(NET_RTT_MS).into(),
            }
        }

        fn costs(&self, rows: Rows<'_>, costs: &mut Costs) {
            let missing = usize::from(HOW == b'l');
            rows.iter().skip(missing).for_each(|row| costs.push(self.cost(row)));
        }

        fn explain(&self, _row: Row<'_>) -> String {
            "x".repeat(if HOW == b'e' { 121 } else { 120 })
        }
    }

    fn check<const HOW: u8>(first: &str) {
        let found = problems::<Bad<HOW>>();
        assert!(found.first().is_some_and(|problem| problem.contains(first)), "{found:?}");
    }

    #[test]
    fn a_signal_that_behaves_has_no_problems() {
        assert_eq!(problems::<Bad<0>>(), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_misbehaviour_is_found() {
        check::<b'v'>("a veto without MAY_VETO");
        check::<b'p'>("it panics");
        check::<b'l'>("0 costs and 1 phrases");
        check::<b'e'>("a phrase of more than 120 characters");
        check::<b'r'>("two calls, two answers");
        check::<b'd'>("the defaults are refused: never content");
    }
}
