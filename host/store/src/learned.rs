//! What is kept of what was learned, and of runs that measured on purpose: which pieces, how long, how many. Knows
//! neither SQL nor how anything is learned.

pub(crate) mod read;
pub(crate) mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use herdwick_fleet::{BackendId, Estimate, Lesson, ModelName, NodeId, Quantity, Subject};

/// What was learned longer ago says nothing any more: by then it counts for less than one new sample.
pub(crate) const BEST_BEFORE: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Lessons that are kept: all that a router may hold of the largest fleet, hours of the week included, is fewer. A file
/// with more is one in which machines came and went by thousands.
pub(crate) const LESSONS: usize = 1_000_000;
/// Runs that are kept, the newest. Who measures every machine of a house each month has those of years.
pub(crate) const RUNS: usize = 200;
/// Bytes of a digest that are kept. One of SHA-256 has 64, with its name a few more.
const DIGEST: usize = 128;

/// What the file holds of what was learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learnt {
    /// Each figure, as old as it is now.
    pub lessons: Vec<Lesson>,
    /// Of which weights of a model something was learned.
    pub weights: Vec<Weights>,
    /// Runs, the newest first.
    pub runs: Vec<BenchRun>,
}

/// The weights that stand behind a model's name on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Which server.
    pub backend: BackendId,
    /// Which name.
    pub model: ModelName,
    /// What the server calls their content.
    pub digest: String,
}

/// A run of `herdwick bench` that came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchRun {
    /// Which.
    pub id: String,
    /// When it ended, in whole seconds.
    pub ended: SystemTime,
    /// On which machine.
    pub node: NodeId,
    /// What the machine was called.
    pub name: String,
    /// Of which model.
    pub model: String,
    /// Whether it was a quick one.
    pub is_quick: bool,
    /// What was measured, in order.
    pub figures: Vec<RunFigure>,
}

/// One quantity that a run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFigure {
    /// Which, as its run called it.
    pub quantity: String,
    /// Answers that ran at once; 0 where that means nothing.
    pub streams: u32,
    /// What was measured.
    pub measured: f64,
    /// What was reckoned with before.
    pub before: Option<f64>,
    /// What is reckoned with since.
    pub after: Option<f64>,
}

/// What was told and is not written yet. Of each figure the last word counts, so that it holds no more than the router
/// knows, however slow the disk is.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) lessons: BTreeMap<(Subject, Quantity), Kept>,
    pub(crate) weights: BTreeMap<(BackendId, ModelName), String>,
    /// Forgotten before any of the lessons was told.
    pub(crate) forgotten: BTreeSet<Subject>,
    pub(crate) runs: Vec<BenchRun>,
}

/// A figure with its last sample's time by this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) samples: u32,
    pub(crate) learned: SystemTime,
}

impl Told {
    pub(crate) fn is_empty(&self) -> bool {
        self.lessons.is_empty()
            && self.weights.is_empty()
            && self.forgotten.is_empty()
            && self.runs.is_empty()
    }

    /// Takes in what was learned.
    pub(crate) fn learn(&mut self, lessons: impl IntoIterator<Item = Lesson>, now: SystemTime) {
        // What is no number the file would refuse, and everything else with it.
        let sane = |it: &Lesson| {
            let Estimate { mean, variance, samples, .. } = it.estimate;
            mean.is_finite() && variance.is_finite() && variance >= 0.0 && samples > 0
        };
        for Lesson { of, what, estimate } in lessons.into_iter().filter(sane) {
            self.lessons.insert((of, what), Kept::new(estimate, now));
        }
    }

    /// Takes in of which weights it was learned.
    pub(crate) fn weigh(&mut self, weights: impl IntoIterator<Item = Weights>) {
        let told = weights.into_iter().filter(|told| !told.digest.is_empty());
        self.weights.extend(told.map(|told| {
            let digest = told.digest.chars().take(DIGEST).collect();
            ((told.backend, told.model), digest)
        }));
    }

    /// Takes in what is to be forgotten.
    pub(crate) fn forget(&mut self, subjects: impl IntoIterator<Item = Subject>) {
        self.forgotten.extend(subjects);
        let forgotten = &self.forgotten;
        self.lessons.retain(|(of, _), _| !forgotten.contains(of));
    }

    /// Takes in a run.
    pub(crate) fn add(&mut self, mut run: BenchRun) {
        run.figures.retain(|figure| figure.measured.is_finite());
        for figure in &mut run.figures {
            figure.before = figure.before.filter(|before| before.is_finite());
            figure.after = figure.after.filter(|after| after.is_finite());
        }
        self.runs.push(run);
    }

    /// Takes back what could not be written, where nothing newer was told.
    pub(crate) fn put_back(&mut self, older: Self) {
        let Self { lessons, weights, forgotten, runs } = older;
        for (key, kept) in lessons {
            if !self.forgotten.contains(&key.0) {
                self.lessons.entry(key).or_insert(kept);
            }
        }
        for (key, digest) in weights {
            self.weights.entry(key).or_insert(digest);
        }
        self.forgotten.extend(forgotten);
        self.runs.splice(0..0, runs);
        // What nobody can write for hours must not fill the memory.
        let over = self.runs.len().saturating_sub(RUNS);
        self.runs.drain(..over);
    }
}

impl Kept {
    fn new(estimate: Estimate, now: SystemTime) -> Self {
        let Estimate { mean, variance, samples, age } = estimate;
        Self { mean, variance, samples, learned: now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    /// As it is now; `None` when it is too old to mean anything.
    pub(crate) fn estimate(self, now: SystemTime) -> Option<Estimate> {
        let Self { mean, variance, samples, learned } = self;
        // By a clock that was set back it was learned in the future, which is as good as now.
        let age = now.duration_since(learned).unwrap_or_default();
        (age <= BEST_BEFORE).then_some(Estimate { mean, variance, samples, age })
    }
}

/// Words for of what something was learned.
pub(crate) fn word(subject: &Subject) -> &'static str {
    match subject {
        Subject::Speed { .. } => "speed",
        Subject::Model { .. } => "model",
        Subject::App { .. } => "app",
        Subject::Machine { .. } => "machine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: &str) -> Subject {
        Subject::Model { model: ModelName::parse(model).expect("a name") }
    }

    fn lesson(model: &str, mean: f64) -> Lesson {
        let estimate = Estimate { mean, variance: 0.0, samples: 1, age: Duration::from_secs(5) };
        Lesson { of: of(model), what: Quantity::AnswerTokens, estimate }
    }

    fn means(told: &Told) -> Vec<f64> {
        told.lessons.values().map(|kept| kept.mean).collect()
    }

    #[test]
    fn the_last_word_counts_and_what_is_forgotten_is_not_learned_again_by_a_write_that_failed() {
        let now = SystemTime::now();
        let mut older = Told::default();
        older.learn([lesson("a", 1.0), lesson("b", 1.0), lesson("c", 1.0)], now);
        let mut newer = Told::default();
        newer.learn([lesson("b", 2.0)], now);
        newer.forget([of("c")]);
        newer.put_back(older);
        assert_eq!(means(&newer), [1.0, 2.0]);
        assert!(newer.forgotten.contains(&of("c")));
        newer.forget([of("a")]);
        newer.learn([lesson("a", 3.0)], now);
        assert_eq!(means(&newer), [3.0, 2.0], "what is learned after that stands");
    }

    #[test]
    fn a_figure_grows_old_by_the_clock_and_is_of_no_use_after_three_months() {
        let now = SystemTime::now();
        let kept = Kept::new(lesson("a", 1.0).estimate, now);
        let later = |days: u64| now + Duration::from_secs(days * 24 * 3_600);
        let age = kept.estimate(later(1)).map(|estimate| estimate.age);
        assert_eq!(age, Some(Duration::from_secs(24 * 3_600 + 5)));
        assert_eq!(kept.estimate(later(91)), None);
        let set_back = now - Duration::from_secs(1_000);
        assert_eq!(kept.estimate(set_back).map(|estimate| estimate.age), Some(Duration::ZERO));
    }
}
