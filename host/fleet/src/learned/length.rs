//! What is learned of a model wherever it runs: how long its answers get, by who asks, and how much text one of its
//! tokens is. Must not know on which machine.

use std::sync::{Mutex, PoisonError, TryLockError};

use crate::learned::app::App;
use crate::learned::kept::Quantity;
use crate::learned::shown::Shown;
use crate::learned::track::{Estimate, Rule, Track};
use crate::moment::Moment;
use crate::profile::Profile;

/// Applications of which a model remembers how long its answers get. Past it the one that asked least lately makes room.
pub const APPS: usize = 32;
/// Tokens of a prompt below which the template is most of it.
const PROMPT_LEAST: u64 = 32;
/// Bytes per token that can be true: a token has at least a byte of text somewhere, and none stands for a page.
const BYTES_PER_TOKEN: std::ops::RangeInclusive<f64> = 0.5..=32.0;
/// The widest by which the two estimates of a prompt's length lie apart from the one in the middle, before anything was
/// learned: code, CJK text and base64 have 1.5 to 2 bytes a token where English has 4.
const PRIOR_SPREAD: f64 = 2.0;
/// However alike prompts were, the next one may differ by a tenth.
const LEAST_SPREAD: f64 = 1.1;
/// Lengths differ from answer to answer by far more than rates do.
const LENGTH: Rule = Rule { is_positive: true, gain: 0.1, bound: 1.5 };

/// An application, how long the answers to it get, and when it was heard of last.
type Asker = (App, Track, Moment);

/// One model, wherever it runs.
#[derive(Debug)]
pub struct OfModel {
    bytes_per_token: Track,
    /// Of everybody together: for whoever asks for the first time.
    answer_tokens: Track,
    /// Of each that asks. Requests only ever try the lock, and go on without what it guards: nobody waits here but
    /// whoever keeps what was learned.
    apps: Mutex<Vec<Asker>>,
}

impl Default for OfModel {
    fn default() -> Self {
        Self {
            bytes_per_token: Track::new(Rule::POSITIVE),
            answer_tokens: Track::new(LENGTH),
            apps: Mutex::default(),
        }
    }
}

/// Lengths of a prompt in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PromptTokens {
    /// It has hardly fewer.
    pub low: f64,
    /// It has about so many.
    pub likely: f64,
    /// It has hardly more.
    pub high: f64,
}

impl PromptTokens {
    /// Of so many bytes of text for a model of which nothing was learned.
    pub fn guess(bytes: f64) -> Self {
        Self::about(bytes / Profile::BYTES_PER_TOKEN, PRIOR_SPREAD)
    }

    fn about(likely: f64, spread: f64) -> Self {
        Self { low: likely / spread, likely, high: likely * spread }
    }
}

impl OfModel {
    /// Tokens of a prompt of so many bytes.
    pub fn prompt_tokens(&self, bytes: f64) -> PromptTokens {
        match self.bytes_per_token.estimate(Moment(0)) {
            None => PromptTokens::guess(bytes),
            Some(known) => {
                // Two deviations; what was seen a few times says little of what else may come.
                let spread = (1.0 + 2.0 * known.spread()).clamp(LEAST_SPREAD, PRIOR_SPREAD);
                PromptTokens::about(bytes / known.mean, if known.samples < 3 { PRIOR_SPREAD } else { spread })
            }
        }
    }

    /// Tokens that an answer of this model to this application is expected to have: as its answers had, else as those
    /// of all, else an ordinary number. The median and no more than that: to expect too much costs 11 % in simulation,
    /// to expect half nothing.
    pub fn answer_tokens(&self, app: &App) -> f64 {
        let own = self
            .with(|apps| apps.iter().find(|(known, ..)| known == app).and_then(|(_, track, _)| track.mean()));
        own.flatten().or_else(|| self.answer_tokens.mean()).unwrap_or(Profile::PRIOR_ANSWER_TOKENS)
    }

    /// An answer to this application ended.
    pub fn learn(&self, app: &App, shown: &Shown, now: Moment) {
        if let (Some(bytes), Some(tokens)) = (shown.prompt_bytes, shown.prompt_tokens)
            && tokens >= PROMPT_LEAST
        {
            self.learn_prompt(bytes, tokens as f64, now);
        }
        let Some(tokens) = shown.answer_tokens.filter(|tokens| shown.is_whole && *tokens > 0) else { return };
        // One that was capped would have been longer: it says something only to whoever expected less.
        if !shown.is_capped || tokens as f64 > self.answer_tokens(app) {
            self.learn_answer(app, tokens as f64, now);
        }
    }

    /// A prompt of so many bytes of text had so many tokens, as its backend counted.
    fn learn_prompt(&self, bytes: f64, tokens: f64, now: Moment) {
        let per_token = bytes / tokens;
        if BYTES_PER_TOKEN.contains(&per_token) {
            self.bytes_per_token.teach(per_token, now);
        }
    }

    /// A whole answer had so many tokens.
    fn learn_answer(&self, app: &App, tokens: f64, now: Moment) {
        self.answer_tokens.teach(tokens, now);
        // Somebody reads them out just now: one answer less is learned.
        let _ = self.with(|apps| {
            let place = match apps.iter().position(|(known, ..)| known == app) {
                Some(place) => place,
                None => make_room(apps, app, now),
            };
            if let Some((_, track, last)) = apps.get_mut(place) {
                track.teach(tokens, now);
                *last = now;
            }
        });
    }

    pub(super) fn tracks(&self) -> [(Quantity, &Track); 2] {
        [(Quantity::BytesPerToken, &self.bytes_per_token), (Quantity::AnswerTokens, &self.answer_tokens)]
    }

    pub(super) fn each_app(&self, mut look: impl FnMut(&App, &Track)) {
        self.with_all(|apps| apps.iter().for_each(|(app, track, _)| look(app, track)));
    }

    pub(super) fn restore(&self, what: Quantity, estimate: Estimate, now: Moment) -> bool {
        let track = self.tracks().into_iter().find(|(quantity, _)| *quantity == what);
        track.is_some_and(|(_, track)| track.restore(estimate, now))
    }

    pub(super) fn restore_app(&self, app: &App, estimate: Estimate, now: Moment) -> bool {
        self.with_all(|apps| {
            let place = apps.iter().position(|(known, ..)| known == app);
            let place = place.unwrap_or_else(|| make_room(apps, app, Moment(0)));
            apps.get(place).is_some_and(|(_, track, _)| track.restore(estimate, now))
        })
    }

    pub(super) fn forget(&self) {
        self.tracks().into_iter().for_each(|(_, track)| track.forget());
    }

    pub(super) fn retain_apps(&self, mut keep: impl FnMut(&App) -> bool) {
        self.with_all(|apps| apps.retain(|(app, ..)| keep(app)));
    }

    fn with_all<T>(&self, work: impl FnOnce(&mut Vec<Asker>) -> T) -> T {
        work(&mut self.apps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Asker>) -> T) -> Option<T> {
        match self.apps.try_lock() {
            Ok(mut apps) => Some(work(&mut apps)),
            Err(TryLockError::Poisoned(poisoned)) => Some(work(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Adds an application, in the place of the one that was heard of last the longest ago if need be. Returns its place.
fn make_room(apps: &mut Vec<Asker>, app: &App, now: Moment) -> usize {
    let new = (app.clone(), Track::new(LENGTH), now);
    if apps.len() < APPS {
        apps.push(new);
        return apps.len() - 1;
    }
    let oldest = apps.iter().enumerate().min_by_key(|(_, (.., last))| *last).map_or(0, |(place, _)| place);
    if let Some(place) = apps.get_mut(oldest) {
        *place = new;
    }
    oldest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(prompt: (f64, u64), answer: u64) -> Shown {
        Shown {
            is_whole: true,
            total: Duration::from_secs(1),
            prompt_bytes: Some(prompt.0),
            prompt_tokens: Some(prompt.1),
            answer_tokens: Some(answer),
            ..Shown::default()
        }
    }

    fn near(got: f64, wanted: f64) -> bool {
        (got / wanted - 1.0).abs() < 0.02
    }

    #[test]
    fn a_prompts_length_follows_what_backends_counted() {
        let model = OfModel::default();
        assert_eq!(model.prompt_tokens(400.0), PromptTokens { low: 50.0, likely: 100.0, high: 200.0 });
        let app = App::new("curl");
        (0..5).for_each(|_| model.learn(&app, &answer((1_000.0, 500), 7), Moment(0)));
        let known = model.prompt_tokens(400.0);
        assert!(near(known.likely, 200.0) && known.low < known.likely && known.likely < known.high);
        assert!(known.high < 1.2 * known.likely, "what is always alike is soon certain: {known:?}");
        // Tiny prompts are mostly template, and one page per token is no count.
        (0..50).for_each(|_| model.learn(&app, &answer((4.0, 20), 7), Moment(0)));
        (0..50).for_each(|_| model.learn(&app, &answer((1e6, 100), 7), Moment(0)));
        assert!(near(model.prompt_tokens(400.0).likely, 200.0));
    }

    #[test]
    fn each_application_has_answers_of_its_own_length() {
        let model = OfModel::default();
        let (chat, tagger, new) = (App::new("openwebui"), App::new("tagger"), App::new("new"));
        assert_eq!(model.answer_tokens(&chat), Profile::PRIOR_ANSWER_TOKENS);
        for _ in 0..20 {
            model.learn(&chat, &answer((400.0, 100), 600), Moment(0));
            model.learn(&tagger, &answer((400.0, 100), 6), Moment(0));
        }
        assert!(near(model.answer_tokens(&chat), 600.0) && near(model.answer_tokens(&tagger), 6.0));
        let of_all = model.answer_tokens(&new);
        assert!(6.0 < of_all && of_all < 600.0, "who was never seen is taken for the others: {of_all}");
    }

    #[test]
    fn what_was_capped_or_did_not_end_says_nothing_of_how_long_it_would_have_been() {
        let (model, app) = (OfModel::default(), App::new("chat"));
        (0..5).for_each(|_| model.learn(&app, &answer((400.0, 100), 300), Moment(0)));
        let before = model.answer_tokens(&app);
        for _ in 0..20 {
            model.learn(&app, &Shown { is_capped: true, ..answer((400.0, 100), 16) }, Moment(0));
            model.learn(&app, &Shown { is_whole: false, ..answer((400.0, 100), 16) }, Moment(0));
            model.learn(&app, &answer((400.0, 100), 0), Moment(0));
        }
        assert_eq!(model.answer_tokens(&app), before);
        model.learn(&app, &Shown { is_capped: true, ..answer((400.0, 100), 900) }, Moment(0));
        assert!(model.answer_tokens(&app) > before, "it is at least as long");
    }

    #[test]
    fn whoever_asks_under_many_names_drives_out_those_that_left() {
        let model = OfModel::default();
        let regular = App::new("regular");
        for round in 0..200_u64 {
            model.learn(&App::new(&format!("app-{round}")), &answer((400.0, 100), 50), Moment(2 * round));
            model.learn(&regular, &answer((400.0, 100), 500), Moment(2 * round + 1));
        }
        let mut count = 0;
        model.each_app(|_, _| count += 1);
        assert_eq!(count, APPS);
        assert!(near(model.answer_tokens(&regular), 500.0));
    }
}
