//! What is learned of a model wherever it runs: how long its answers get, by who asks, and how much text one of its
//! tokens is. Must not know on which machine.

use std::sync::{Mutex, PoisonError, TryLockError};

use crate::learned::app::App;
use crate::learned::kept::Quantity;
use crate::learned::track::{Estimate, Rule, Track};
use crate::moment::Moment;
use crate::profile::Profile;

/// Applications of which a model remembers how long its answers get. Past it the one that asked least lately makes room.
pub const APPS: usize = 32;
/// Bytes per token that can be true: a token has at least a byte of text somewhere, and none stands for a page.
const BYTES_PER_TOKEN: std::ops::RangeInclusive<f64> = 0.5..=32.0;
/// The widest by which the two estimates of a prompt's length lie apart from the one in the middle, before anything was
/// learned: code, CJK text and base64 have 1.5 to 2 bytes a token where English has 4.
const PRIOR_SPREAD: f64 = 2.0;
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

impl OfModel {
    /// Tokens of a prompt of so many bytes.
    pub fn prompt_tokens(&self, bytes: f64) -> PromptTokens {
        let per_token = self.bytes_per_token.mean().unwrap_or(Profile::BYTES_PER_TOKEN);
        let spread = match self.bytes_per_token.estimate(Moment(0)) {
            // Two deviations; what was seen three times says little of what else may come.
            Some(known) if known.samples >= 3 => (1.0 + 2.0 * known.spread()).clamp(1.1, PRIOR_SPREAD),
            _ => PRIOR_SPREAD,
        };
        let likely = bytes / per_token;
        PromptTokens { low: likely / spread, likely, high: likely * spread }
    }

    /// Tokens that an answer of this model to this application is expected to have: as its answers had, else as those
    /// of all, else an ordinary number. The median and no more than that: to expect too much costs 11 % in simulation,
    /// to expect half nothing.
    pub fn answer_tokens(&self, app: &App) -> f64 {
        let own = self
            .with(|apps| apps.iter().find(|(known, ..)| known == app).and_then(|(_, track, _)| track.mean()));
        own.flatten().or_else(|| self.answer_tokens.mean()).unwrap_or(Profile::PRIOR_ANSWER_TOKENS)
    }

    /// A prompt of so many bytes of text had so many tokens, as its backend counted.
    pub fn learn_prompt(&self, bytes: f64, tokens: f64, now: Moment) {
        let per_token = bytes / tokens;
        if BYTES_PER_TOKEN.contains(&per_token) {
            self.bytes_per_token.teach(per_token, now);
        }
    }

    /// A whole answer had so many tokens.
    pub fn learn_answer(&self, app: &App, tokens: f64, now: Moment) {
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
