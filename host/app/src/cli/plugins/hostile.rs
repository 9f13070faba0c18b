//! Readings that no case names: unknown, infinite and absurd ones, for no, one, several and many candidates. Knows
//! no right answer, only what an answer may look like.

use std::time::Duration;

use herdwick_fleet::Matrix;

use super::alone::{Alone, NO_WORDS};

/// Numbers of candidates.
pub(super) const ROWS: [usize; 4] = [0, 1, 8, 64];
/// Calls whose median counts as the time of one.
const CALLS: usize = 5;

/// These fill all readings at once; then each reading gets another one of them.
const VALUES: [f64; 12] = [
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

/// The first thing that the plugin does wrong.
pub(super) fn problem(plugin: &Alone) -> Option<String> {
    every(plugin).find_map(|(told, matrix)| {
        let answer = || plugin.cost(&matrix, &NO_WORDS);
        let problem = match (answer(), answer()) {
            (Err(fault), _) | (_, Err(fault)) => Some(fault),
            (Ok(first), Ok(second)) if bits(&first) != bits(&second) => {
                Some("two calls, two answers".to_owned())
            }
            _ if plugin.explain(&matrix, &NO_WORDS).is_none() => {
                Some("it does not explain itself, one phrase for each candidate".to_owned())
            }
            _ => None,
        };
        problem.map(|problem| format!("{told}: {problem}"))
    })
}

/// The slowest call with its number of candidates.
pub(super) fn slowest(plugin: &Alone) -> (Duration, usize) {
    let times = every(plugin).map(|(_, matrix)| (plugin.time(&matrix, CALLS), matrix.rows()));
    times.max().unwrap_or_default()
}

fn every(plugin: &Alone) -> impl Iterator<Item = (String, Matrix)> {
    ROWS.into_iter().flat_map(move |rows| {
        let filled = VALUES.into_iter().map(move |value| {
            (format!("{rows} candidates whose readings are {value}"), plugin.matrix(rows, |_, _| value))
        });
        // Each reading of a row another value, each row another beginning.
        let mixed = plugin.matrix(rows, |row, column| {
            let at = column.bytes().fold(row * 7 + rows, |at, byte| at + usize::from(byte));
            VALUES.get(at % VALUES.len()).copied().unwrap_or(f64::NAN)
        });
        filled.chain(std::iter::once((format!("{rows} candidates with mixed readings"), mixed)))
    })
}

fn bits(costs: &[f64]) -> Vec<u64> {
    costs.iter().map(|cost| cost.to_bits()).collect()
}
