//! Runs one golden case of a fallback rule and says what differs.
//! Must not know: files; the case has been read.

pub(super) mod file;
pub(super) mod hostile;

use super::run::{matrix, unasked, words};
use crate::Fallback;
use crate::fallback::{FallbackRunner, Step};
use file::{Case, Expected};

/// What is wrong with the answer of `F` in this case.
pub(super) fn problems<F: Fallback>(case: &Case) -> Vec<String> {
    let readings = || case.rows.iter().map(|row| &row.readings);
    let unasked = unasked(F::COLUMNS, F::WORDS, readings(), &case.words);
    if !unasked.is_empty() {
        return unasked;
    }
    let mut runner = FallbackRunner::<F>::new();
    if let Err(problems) = runner.configure(case.settings()) {
        return problems;
    }
    let words = words(F::WORDS, &case.words);
    let matrix = matrix(F::COLUMNS, readings());
    let names = case.names();
    match runner.next(&words, &case.tried(&names), &case.eliminated(&names), &matrix) {
        Err(error) => vec![error],
        Ok(step) => {
            let (wanted, found) = (written(&case.step), answered(&step, &names));
            if wanted == found {
                Vec::new()
            } else {
                vec![format!("{}\n! expected {wanted}\n  found {found}", case.what)]
            }
        }
    }
}

fn written(step: &Expected) -> String {
    match step {
        Expected::Retry(name) => format!("a retry of {name}"),
        Expected::Substitute(model) => format!("substitution by {model}"),
        Expected::WaitMs(ms) => format!("a wait of {ms} ms"),
        Expected::GiveUp(reason) => format!("giving up: {reason}"),
        Expected::Pass => "pass".to_owned(),
    }
}

/// As [`written`]; a slot is shown by the name that the case gives it.
fn answered(step: &Step, names: &[&str]) -> String {
    written(&match step {
        Step::Retry(slot) => {
            let name = usize::try_from(*slot).ok().and_then(|slot| names.get(slot));
            Expected::Retry(
                name.map_or_else(|| format!("slot {slot}, which nobody has"), |name| (*name).to_owned()),
            )
        }
        Step::Substitute(model) => Expected::Substitute(model.clone()),
        Step::WaitMs(ms) => Expected::WaitMs(*ms),
        Step::GiveUp(reason) => Expected::GiveUp(reason.clone()),
        Step::Pass => Expected::Pass,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::SLOTS_FREE_COUNT;
    use crate::fallback::{Failure, Situation};
    use crate::{Column, Settings};

    /// Retries the candidate with the most free slots, and waits when there is none.
    struct MostFree;

    impl Fallback for MostFree {
        const COLUMNS: &'static [Column] = &[SLOTS_FREE_COUNT];

        fn new(settings: &mut Settings) -> MostFree {
            settings.flag("strict", false);
            MostFree
        }

        fn next(&self, situation: Situation<'_>) -> Step {
            if situation.last().is_some_and(|attempt| attempt.why == Failure::Refused) {
                return Step::GiveUp("refused".to_owned());
            }
            let free = |slot: u32| situation.rows.find(slot).and_then(|row| row.get(SLOTS_FREE_COUNT));
            let slots = situation.rows.iter().map(|row| row.slot());
            let left = slots.filter(|slot| !situation.was_tried(*slot));
            let best =
                left.max_by(|one, two| free(*one).unwrap_or(0.0).total_cmp(&free(*two).unwrap_or(0.0)));
            best.map_or(Step::WaitMs(500), Step::Retry)
        }
    }

    const ROWS: &str = "[[rows]]\nname = 'a'\nreadings = { 'slots.free-count' = 1 }\n\
        [[rows]]\nname = 'b'\nreadings = { 'slots.free-count' = 3 }\n";

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(problems::<MostFree>(&Case::parse(text).unwrap()), expected, "{text}");
    }

    #[test]
    fn a_case_that_holds_has_no_problems() {
        check("what = 'w'\nstep = { wait_ms = 500 }", &[]);
        check(&format!("what = 'w'\nstep = {{ retry = 'b' }}\n{ROWS}"), &[]);
        check(
            &format!("what = 'w'\nstep = {{ retry = 'a' }}\n{ROWS}[[tried]]\nname = 'b'\nwhy = 'connect'"),
            &[],
        );
        check("what = 'w'\nstep = { give_up = 'refused' }\n[[tried]]\nname = 'gone'\nwhy = 'refused'", &[]);
    }

    #[test]
    fn another_step_than_expected_is_shown_beside_it() {
        check(
            &format!("what = 'the freest'\nstep = 'pass'\n{ROWS}"),
            &["the freest\n! expected pass\n  found a retry of b"],
        );
    }

    #[test]
    fn readings_and_settings_the_rule_does_not_know_are_problems() {
        check(
            "what = 'w'\nstep = 'pass'\n[[rows]]\nname = 'a'\nreadings = { 'net.rtt-ms' = 1 }",
            &["`net.rtt-ms` is not among the columns"],
        );
        check(
            "what = 'w'\nstep = 'pass'\n[settings]\nstrikt = true",
            &["`strikt` is not a setting; the nearest is `strict`"],
        );
    }
}
