//! Runs one golden case and says what differs.
//! Must not know: files; the case has been read.

use std::collections::BTreeMap;

use super::file::{Candidate, Case, Expected, Opinion, Readings};
use crate::signal::SignalRunner;
use crate::{Column, Signal, Word, phrase};

/// Relative difference up to which two costs are the same: what another order of additions may bring.
const TOLERANCE: f64 = 1e-9;

/// What is wrong with the answers of `S` in this case.
pub(super) fn problems<S: Signal>(case: &Case) -> Vec<String> {
    let unasked = unasked(S::COLUMNS, S::WORDS, case.rows.iter().map(|row| &row.readings), &case.words);
    if !unasked.is_empty() {
        return unasked;
    }
    let mut runner = SignalRunner::<S>::new();
    if let Err(problems) = runner.configure(case.settings()) {
        return problems;
    }
    let words = words(S::WORDS, &case.words);
    let matrix = matrix(S::COLUMNS, case.rows.iter().map(|row| &row.readings));
    let costs = match runner.cost(&words, &matrix) {
        Ok(costs) if costs.len() == case.rows.len() => costs,
        Ok(costs) => return vec![format!("{} costs for {} rows", costs.len(), case.rows.len())],
        Err(error) => return vec![error],
    };
    let phrases = runner.explain(&words, &matrix);
    if phrases.len() != case.rows.len() {
        return vec![format!("{} phrases for {} rows", phrases.len(), case.rows.len())];
    }
    let answers = case.rows.iter().zip(costs).zip(phrases);
    let lines: Vec<Line<'_>> = answers.map(|((row, cost), phrase)| Line { row, cost, phrase }).collect();
    if lines.iter().all(Line::is_right) { Vec::new() } else { vec![report(&case.what, &lines)] }
}

/// Slot and readings of each candidate, as one call has them; a slot is the candidate's place.
pub(super) fn matrix<'a>(columns: &[Column], rows: impl Iterator<Item = &'a Readings>) -> Vec<f64> {
    let mut matrix = Vec::new();
    for (slot, readings) in rows.enumerate() {
        matrix.push(slot as f64);
        matrix.extend(
            columns
                .iter()
                .map(|column| readings.get(column.name()).map_or(f64::NAN, |reading| reading.number())),
        );
    }
    matrix
}

/// The words asked for, in their order; one that the request does not have is empty.
pub(super) fn words(asked: &[Word], given: &BTreeMap<String, String>) -> Vec<String> {
    asked.iter().map(|word| given.get(word.name()).cloned().unwrap_or_default()).collect()
}

/// Readings and words that a case gives and the plugin does not ask for.
pub(super) fn unasked<'a>(
    columns: &[Column],
    words: &[Word],
    rows: impl Iterator<Item = &'a Readings>,
    given: &BTreeMap<String, String>,
) -> Vec<String> {
    let readings = rows.flat_map(|readings| readings.keys());
    let readings = readings.filter(|name| columns.iter().all(|column| column.name() != name.as_str()));
    let words = given.keys().filter(|name| words.iter().all(|word| word.name() != name.as_str()));
    let mut problems: Vec<String> =
        readings.map(|name| format!("`{name}` is not among the columns")).collect();
    problems.extend(words.map(|name| format!("`{name}` is not among the words")));
    problems.dedup();
    problems
}

/// Expected and answered for one candidate.
struct Line<'a> {
    row: &'a Candidate,
    cost: f64,
    phrase: String,
}

impl Line<'_> {
    fn is_right(&self) -> bool {
        self.cost_is_right() && self.row.explain.as_ref().is_none_or(|expected| *expected == self.phrase)
    }

    fn cost_is_right(&self) -> bool {
        match self.row.cost {
            Expected::Ms(ms) => (ms - self.cost).abs() <= TOLERANCE * ms.abs().max(1.0),
            Expected::Word(Opinion::Abstain) => self.cost.is_nan(),
            Expected::Word(Opinion::Veto) => self.cost == f64::INFINITY,
        }
    }
}

/// Every row with what was expected, so that a wrong one is seen beside the right ones.
fn report(what: &str, lines: &[Line<'_>]) -> String {
    let mut text = what.to_owned();
    for line in lines {
        let (mark, expected, found) =
            (if line.is_right() { ' ' } else { '!' }, expected(line.row.cost), found(line.cost));
        text.push_str(&format!(
            "\n{mark} {}: expected {expected}, found {found} ({})",
            line.row.name, line.phrase
        ));
        if let Some(phrase) = line.row.explain.as_ref().filter(|phrase| **phrase != line.phrase) {
            text.push_str(&format!("\n    expected the words: {phrase}"));
        }
    }
    text
}

fn expected(cost: Expected) -> String {
    match cost {
        Expected::Ms(ms) => found(ms),
        Expected::Word(Opinion::Abstain) => "abstain".to_owned(),
        Expected::Word(Opinion::Veto) => "veto".to_owned(),
    }
}

fn found(cost: f64) -> String {
    match cost {
        cost if cost.is_nan() => "abstain".to_owned(),
        f64::INFINITY => "veto".to_owned(),
        cost => format!("{} ms", phrase::number(cost)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::NET_RTT_MS;
    use crate::{Cost, Row, Settings, Word};

    struct Near;

    impl Signal for Near {
        const COLUMNS: &'static [Column] = &[NET_RTT_MS];
        const WORDS: &'static [Word] = &[Word::Session];

        fn new(settings: &mut Settings) -> Near {
            settings.flag("strict", false);
            Near
        }

        fn cost(&self, row: Row<'_>) -> Cost {
            if row.word(Word::Session) == Some("s1") { Cost::Veto } else { row.get(NET_RTT_MS).into() }
        }

        fn explain(&self, row: Row<'_>) -> String {
            format!("{} away", phrase::ms(row.raw(NET_RTT_MS)))
        }
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(problems::<Near>(&Case::parse(text).unwrap()), expected, "{text}");
    }

    #[test]
    fn a_case_that_holds_has_no_problems() {
        check("what = 'w'", &[]);
        check(
            "what = 'w'\n[[rows]]\nname = 'a'\nreadings = { 'net.rtt-ms' = 3 }\ncost = 3.000000000001\n\
             [[rows]]\nname = 'b'\ncost = 'abstain'",
            &[],
        );
        check("what = 'w'\n[words]\nsession = 's1'\n[[rows]]\nname = 'a'\ncost = 'veto'", &[]);
    }

    #[test]
    fn a_case_that_fails_shows_wrong_rows_beside_right_ones() {
        check(
            "what = 'near is cheap'\n\
             [[rows]]\nname = 'a'\nreadings = { 'net.rtt-ms' = 3 }\ncost = 3\n\
             [[rows]]\nname = 'b'\nreadings = { 'net.rtt-ms' = 4 }\ncost = 'abstain'\n\
             [[rows]]\nname = 'c'\nreadings = { 'net.rtt-ms' = 5 }\ncost = 5\nexplain = 'far'",
            &["near is cheap\n\
               \x20 a: expected 3 ms, found 3 ms (3 ms away)\n\
               ! b: expected abstain, found 4 ms (4 ms away)\n\
               ! c: expected 5 ms, found 5 ms (5 ms away)\n    expected the words: far"],
        );
    }

    #[test]
    fn names_and_settings_the_plugin_does_not_know_are_problems() {
        check(
            "what = 'w'\n[words]\napp = 'x'\n[[rows]]\nname = 'a'\nreadings = { 'net.rtt-m' = 3 }\ncost = 3",
            &["`net.rtt-m` is not among the columns", "`app` is not among the words"],
        );
        check(
            "what = 'w'\n[settings]\nstrikt = true",
            &["`strikt` is not a setting; the nearest is `strict`"],
        );
    }
}
