//! Fallback plugins: what an author implements, and the calls of the contract turned into it.
//! Must not know: budgets and attempt limits, which the router enforces whatever a plugin answers.

pub use herdwick_sdk_contract_fallback::exports::herdwick::plugin::fallback::{
    Attempt, Elimination, Failure, Step,
};

use crate::column::{Column, Layout};
use crate::export::{Wants, wants};
use crate::{Rows, Setting, Settings, Topology, Word};

/// A rule for what to do after a failed attempt, or when nothing can serve a request.
///
/// Like a signal it is a function of its arguments, its settings and the topology alone.
pub trait Fallback: Sized {
    /// The readings asked for. A router that lacks one refuses the plugin, unless it is
    /// [`optional`](crate::column::optional).
    const COLUMNS: &'static [Column] = &[];
    /// The words about the request asked for.
    const WORDS: &'static [Word] = &[];
    /// Whether [`Fallback::topology`] is to be called.
    const WANTS_TOPOLOGY: bool = false;

    /// Reads the settings. `Settings` answers with defaults and collects problems, so nothing can fail here.
    fn new(settings: &mut Settings) -> Self;

    /// Takes in what changed in the fleet. Called before the first request when `WANTS_TOPOLOGY` is set.
    fn topology(&mut self, _topology: Topology<'_>) {}

    /// What to do next. A rule that does not apply answers [`Step::Pass`], and the next rule is asked.
    fn next(&self, situation: Situation<'_>) -> Step;
}

/// All that a fallback rule may know.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What was tried and how it ended, oldest first; empty when nothing could serve the request.
    pub tried: &'a [Attempt],
    /// Backends that cannot serve this request, and why.
    pub eliminated: &'a [Elimination],
    /// The candidates that are left, with their readings.
    pub rows: Rows<'a>,
}

impl<'a> Situation<'a> {
    /// The last attempt, if there was one.
    pub fn last(self) -> Option<&'a Attempt> {
        self.tried.last()
    }

    /// Whether this backend was tried for this request.
    pub fn was_tried(self, slot: u32) -> bool {
        self.tried.iter().any(|attempt| attempt.slot == slot)
    }
}

/// A fallback rule as the contract calls it: perhaps not configured yet, and given plain lists.
#[derive(Debug)]
pub struct FallbackRunner<F> {
    plugin: Option<F>,
}

impl<F: Fallback> FallbackRunner<F> {
    /// Whether the contract's `topology` is to be called.
    pub const WANTS_TOPOLOGY: bool = F::WANTS_TOPOLOGY;

    /// A plugin that has not been configured.
    pub const fn new() -> Self {
        FallbackRunner { plugin: None }
    }

    /// The columns and words of the contract's `describe`.
    pub fn wants() -> Wants {
        wants(F::COLUMNS, F::WORDS)
    }

    /// The contract's `configure`. After a refusal the plugin stays as it was.
    pub fn configure(&mut self, given: Vec<Setting>) -> Result<(), Vec<String>> {
        let mut settings = Settings::new(given);
        let plugin = F::new(&mut settings);
        settings.finish()?;
        self.plugin = Some(plugin);
        Ok(())
    }

    /// The contract's `topology`.
    pub fn topology(&mut self, topology: Topology<'_>) {
        if let Some(plugin) = &mut self.plugin {
            plugin.topology(topology);
        }
    }

    /// The contract's `next`.
    pub fn next(
        &self,
        words: &[String],
        tried: &[Attempt],
        eliminated: &[Elimination],
        rows: &[f64],
    ) -> Result<Step, String> {
        let plugin = self.plugin.as_ref().ok_or("not configured")?;
        let layout = const { &Layout::of(F::COLUMNS) };
        let rows = Rows::new(layout, F::WORDS, words, rows).map_err(|malformed| malformed.to_string())?;
        Ok(plugin.next(Situation { tried, eliminated, rows }))
    }
}

impl<F: Fallback> Default for FallbackRunner<F> {
    fn default() -> Self {
        FallbackRunner::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries the first candidate that was not tried yet.
    struct Untried;

    impl Fallback for Untried {
        fn new(_settings: &mut Settings) -> Untried {
            Untried
        }

        fn next(&self, situation: Situation<'_>) -> Step {
            let left = situation.rows.iter().find(|row| !situation.was_tried(row.slot()));
            left.map_or(Step::Pass, |row| Step::Retry(row.slot()))
        }
    }

    #[test]
    fn a_rule_sees_what_was_tried_and_what_is_left() {
        let mut runner = FallbackRunner::<Untried>::new();
        assert_eq!(runner.next(&[], &[], &[], &[]), Err("not configured".into()));
        runner.configure(Vec::new()).unwrap();
        let tried = [Attempt { slot: 3, why: Failure::Connect, status: 0, took_ms: 12.0 }];
        assert_eq!(runner.next(&[], &tried, &[], &[3.0, 5.0]), Ok(Step::Retry(5)));
        assert_eq!(runner.next(&[], &tried, &[], &[3.0]), Ok(Step::Pass));
    }
}
