//! After a refused connection the nearest other backend is tried.
//! Must not know: other failures; the next rule is asked about them.

use herdwick_sdk::fallback::{Failure, Situation, Step};
use herdwick_sdk::{Column, Fallback, Settings, column, export_fallback};

/// The rule.
#[derive(Debug)]
pub struct Plugin {
    /// Attempts after which the next rule is asked.
    attempts: u32,
}

impl Fallback for Plugin {
    const COLUMNS: &'static [Column] = &[column::NET_RTT_MS];

    fn new(settings: &mut Settings) -> Plugin {
        Plugin { attempts: settings.integer("attempts", 2, 1..=10) }
    }

    fn next(&self, situation: Situation<'_>) -> Step {
        let is_refused = situation.last().is_some_and(|last| last.why == Failure::Connect);
        if !is_refused || situation.tried.len() >= self.attempts as usize {
            return Step::Pass;
        }
        let candidates = situation.rows.iter().filter(|row| !situation.was_tried(row.slot()));
        // An unknown distance is none to rely on.
        let known = candidates.filter_map(|row| Some((row.slot(), row.get(column::NET_RTT_MS)?)));
        let nearest = known.min_by(|(_, one), (_, two)| one.total_cmp(two));
        nearest.map_or(Step::Pass, |(slot, _)| Step::Retry(slot))
    }
}

export_fallback!(Plugin, manifest: include_str!("../plugin.toml"));
