//! What is learned of a model on one backend: how fast it reads and answers, how much company slows it down, how fast it
//! loads, by how much waits are mispredicted. Taught by the router's own clock; what the backend claims only decides how
//! an answer that came in one piece is divided. Must not know how figures are kept.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::learned::kept::Quantity;
use crate::learned::prior::{LOAD_CACHE_BYTES_PER_S, LOAD_DISK_BYTES_PER_S, OPTIMISM, Rates};
use crate::learned::shown::{Company, Load, Shown, Told};
use crate::learned::track::{Estimate, Rule, Taken, Track};
use crate::moment::Moment;

/// Prompt tokens that were not cached below which the time to the first frame shows the network and the template rather
/// than the prompt.
const PROMPT_LEAST: f64 = 32.0;
/// Share of a prompt that may have been cached for its time to show a rate all the same.
const CACHED_MOST: f64 = 0.5;
/// Answer tokens below which the time between them shows the network.
const ANSWER_LEAST: f64 = 8.0;
/// Time below which nothing can be divided by it: what a busy router may be late by.
const TIME_LEAST: Duration = Duration::from_millis(5);
/// Tokens of one frame on average, above which the answer did not come as it was made.
const TOKENS_PER_FRAME: f64 = 8.0;
/// A load shorter than this was none: Ollama tells some milliseconds also for a model that it has.
const LOAD_LEAST: Duration = Duration::from_millis(250);
/// Company on average up to which a stream counts as alone.
const ALONE: f64 = 1.1;
/// Answers made alone after which a slower one in company teaches what company costs.
const ALONE_LEAST: u32 = 5;
/// What company may cost at most, as a share for each stream; what is more no slow-down by company explains.
const SAME_DRAG_MOST: f64 = 1.5;
/// See [`SAME_DRAG_MOST`]: two models that do not fit side by side wait for each other.
const OTHER_DRAG_MOST: f64 = 4.0;
/// What is told and what was observed may differ by this before somebody is to look at it: 30 %.
const DISAGREEMENT: f64 = 1.3;
/// Waits that are mispredicted by more than this, in milliseconds, count as if it were this.
const WAIT_BOUND: f64 = 5_000.0;

/// One model on one backend.
#[derive(Debug)]
pub struct Speed {
    prefill: Track,
    decode: Track,
    same_drag: Track,
    other_drag: Track,
    load_disk: Track,
    load_cache: Track,
    wait_bias: Track,
    told: Track,
    /// Answers that were made alone, as far as is known.
    alone: AtomicU32,
}

impl Default for Speed {
    fn default() -> Self {
        let [prefill, decode, load_disk, load_cache, told] = [(); 5].map(|()| Track::new(Rule::POSITIVE));
        let [same_drag, other_drag] = [(); 2].map(|()| Track::new(Rule::signed(0.25)));
        let wait_bias = Track::new(Rule::signed(WAIT_BOUND));
        Self {
            prefill,
            decode,
            same_drag,
            other_drag,
            load_disk,
            load_cache,
            wait_bias,
            told,
            alone: AtomicU32::new(0),
        }
    }
}

/// What an answer taught.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learnt {
    /// The prompt rate.
    pub prefill: Option<Taken>,
    /// The answer rate.
    pub decode: Option<Taken>,
    /// What company costs.
    pub drag: Option<Taken>,
    /// The load rate.
    pub load: Option<Taken>,
    /// Set with the answer by which it became certain that the backend tells other durations than are observed: what it
    /// tells, in times of that.
    pub disagrees: Option<f64>,
}

/// How an answer's time divides.
#[derive(Clone, Copy)]
struct Parts {
    /// Loading and reading the prompt, up to the first token.
    before: Duration,
    /// Of it, loading, where the backend tells it and may be believed.
    load: Option<Duration>,
    /// From the first token to the last.
    making: Duration,
    /// Tokens in `making`.
    tokens: f64,
}

impl Speed {
    /// How fast the model is here: as learned, else as guessed. `None` = nobody knows.
    pub fn rates(&self, guess: Option<Rates>) -> Option<Rates> {
        let decode = self.decode.mean();
        let guess = match (guess, decode) {
            (Some(guess), _) => guess,
            // Its size is not known, but how it answers.
            (None, Some(decode)) => Rates::of_decode(decode * OPTIMISM),
            (None, None) => return None,
        };
        let decode_per_s = decode.unwrap_or(guess.decode_per_s);
        // Of one rate alone the other follows better than from a guess, which may be far off for this machine.
        let by_decode = decode.map(|decode| Rates::of_decode(decode * OPTIMISM).prefill_per_s);
        Some(Rates {
            prefill_per_s: self.prefill.mean().or(by_decode).unwrap_or(guess.prefill_per_s),
            decode_per_s,
            samples: self.decode.samples(),
            same_drag: self.same_drag().unwrap_or(guess.same_drag),
            other_drag: self.other_drag().unwrap_or(guess.other_drag),
        })
    }

    /// What each further stream of the model costs a stream here, as a share; `None` before it was seen.
    pub fn same_drag(&self) -> Option<f64> {
        self.same_drag.mean().map(|drag| drag.clamp(0.0, SAME_DRAG_MOST))
    }

    /// What each stream of another model costs a stream here, as a share; `None` before it was seen.
    pub fn other_drag(&self) -> Option<f64> {
        self.other_drag.mean().map(|drag| drag.clamp(0.0, OTHER_DRAG_MOST))
    }

    /// Bytes per second of a load: as learned, else as guessed.
    pub fn load_bytes_per_s(&self, is_cached: bool) -> f64 {
        let (track, guess) = if is_cached {
            (&self.load_cache, LOAD_CACHE_BYTES_PER_S)
        } else {
            (&self.load_disk, LOAD_DISK_BYTES_PER_S)
        };
        track.mean().unwrap_or(guess * OPTIMISM)
    }

    /// How much longer than predicted waits here were lately, in milliseconds; `None` before the first.
    pub fn wait_bias_ms(&self) -> Option<f64> {
        self.wait_bias.mean()
    }

    /// What the backend tells of its durations, in times of what was observed, where it differs from that by more than
    /// 30 % again and again. 0.33 = it claims to be three times as fast as it is.
    pub fn disagrees(&self) -> Option<f64> {
        const LEAST: u32 = 3;
        let ratio = self.told.mean().filter(|_| self.told.samples() >= LEAST)?;
        (ratio.ln().abs() > DISAGREEMENT.ln()).then_some(ratio)
    }

    /// A request waited for a slot here, so long, where so much was predicted.
    pub fn learn_wait(&self, predicted: Duration, observed: Duration, now: Moment) {
        self.wait_bias.teach((observed.as_secs_f64() - predicted.as_secs_f64()) * 1e3, now);
    }

    /// An answer ended. `known` is how fast the model was taken to be when it was asked, `bytes` its size, 0 if unknown.
    /// Not to be called for answers of which nobody counted the tokens and that did not come in frames.
    pub fn learn(&self, shown: &Shown, known: Option<Rates>, bytes: u64, now: Moment) -> Learnt {
        let agreed = self.disagrees().is_none();
        self.compare(shown, now);
        let mut learnt = Learnt { disagrees: self.disagrees().filter(|_| agreed), ..Learnt::default() };
        let Some(parts) = divide(shown, known) else { return learnt };
        if parts.tokens >= ANSWER_LEAST && parts.making >= TIME_LEAST && !shown.is_broken && !shown.is_held_up
        {
            let per_s = parts.tokens / parts.making.as_secs_f64();
            (learnt.decode, learnt.drag) = self.learn_decode(per_s, shown.company, known, now);
        }
        // The first token is made like any other.
        let token =
            self.rates(known).map_or(Duration::ZERO, |rates| millis(rates.decode_ms(1.0, shown.company)));
        let before = parts.before.saturating_sub(token);
        match shown.load {
            Load::None if parts.load.is_none_or(|load| load < LOAD_LEAST) => {
                learnt.prefill = self.learn_prefill(shown, before, now);
            }
            Load::Disk | Load::Cache => {
                let prompt =
                    self.rates(known).map_or(0.0, |rates| rates.prefill_ms(fresh(shown).unwrap_or(0.0)));
                let load = before.saturating_sub(millis(prompt));
                learnt.load = self.learn_load(shown.load, bytes, load, now);
            }
            // What was loaded when nobody knew, or by somebody else, took some of the time, and nobody knows how much.
            Load::None | Load::Joined => {}
        }
        learnt
    }

    /// A load took so long, as far as the router can tell.
    pub fn learn_load(&self, load: Load, bytes: u64, took: Duration, now: Moment) -> Option<Taken> {
        if bytes == 0 || took < LOAD_LEAST {
            return None;
        }
        let rate = bytes as f64 / took.as_secs_f64();
        // Whether a file is in the page cache is a guess; where both rates are known, the load itself tells.
        let is_cached = match (self.load_disk.mean(), self.load_cache.mean()) {
            (Some(disk), Some(cache)) => (rate / cache).ln().abs() < (rate / disk).ln().abs(),
            _ => load == Load::Cache,
        };
        Some(if is_cached { &self.load_cache } else { &self.load_disk }.teach(rate, now))
    }

    fn learn_prefill(&self, shown: &Shown, took: Duration, now: Moment) -> Option<Taken> {
        let fresh = fresh(shown)?;
        let all = shown.prompt_tokens? as f64;
        let shows = fresh >= PROMPT_LEAST && fresh >= all * (1.0 - CACHED_MOST) && took >= TIME_LEAST;
        shows.then(|| self.prefill.teach(fresh / took.as_secs_f64(), now))
    }

    /// An answer came at this pace. Made alone it teaches the rate; in company, where the rate is known, what company
    /// costs; else the rate by what company usually costs.
    fn learn_decode(
        &self,
        per_s: f64,
        company: Company,
        known: Option<Rates>,
        now: Moment,
    ) -> (Option<Taken>, Option<Taken>) {
        let (same, other) = ((company.same - 1.0).max(0.0), company.other.max(0.0));
        if same + other <= ALONE - 1.0 {
            self.alone.fetch_add(1, Ordering::Relaxed);
            return (Some(self.decode.teach(per_s, now)), None);
        }
        let Some(rates) = self.rates(known) else { return (Some(self.decode.teach(per_s, now)), None) };
        if self.alone.load(Ordering::Relaxed) < ALONE_LEAST {
            return (Some(self.decode.teach(per_s * rates.slow_down(company), now)), None);
        }
        let excess = rates.decode_per_s / per_s - 1.0;
        let by_same = rates.same_drag * same >= rates.other_drag * other;
        let (track, drag, most) = if by_same {
            (&self.same_drag, (excess - rates.other_drag * other) / same, SAME_DRAG_MOST)
        } else {
            (&self.other_drag, (excess - rates.same_drag * same) / other, OTHER_DRAG_MOST)
        };
        if (-0.1..=most).contains(&drag) {
            return (None, Some(track.teach(drag, now)));
        }
        // No company explains that: the machine itself became slower, or faster.
        let slow = Rates { same_drag: SAME_DRAG_MOST, other_drag: OTHER_DRAG_MOST, ..rates };
        let slow_down = if drag < 0.0 { 1.0 } else { slow.slow_down(company) };
        (Some(self.decode.teach(per_s * slow_down, now)), None)
    }

    /// Holds what the backend tells against what was observed.
    fn compare(&self, shown: &Shown, now: Moment) {
        if !shown.is_whole || shown.is_held_up {
            return;
        }
        let Told { answer: Some(answer), prompt, load } = shown.told else { return };
        let (told, observed) = match shown.first {
            Some(first) if comes_as_made(shown) => (answer, shown.total.saturating_sub(first)),
            _ => (answer + prompt.unwrap_or_default() + load.unwrap_or_default(), shown.total),
        };
        // The end of an answer is told once all of it was made: what is short is compared with the network.
        const LEAST: Duration = Duration::from_millis(50);
        if observed >= LEAST && !told.is_zero() {
            self.told.teach(told.as_secs_f64() / observed.as_secs_f64(), now);
        }
    }

    pub(super) fn tracks(&self) -> [(Quantity, &Track); 8] {
        [
            (Quantity::Prefill, &self.prefill),
            (Quantity::Decode, &self.decode),
            (Quantity::SameDrag, &self.same_drag),
            (Quantity::OtherDrag, &self.other_drag),
            (Quantity::LoadDisk, &self.load_disk),
            (Quantity::LoadCache, &self.load_cache),
            (Quantity::WaitBias, &self.wait_bias),
            (Quantity::Told, &self.told),
        ]
    }

    /// One of its quantities.
    pub fn track(&self, what: Quantity) -> Option<&Track> {
        self.tracks().into_iter().find(|(quantity, _)| *quantity == what).map(|(_, track)| track)
    }

    pub(super) fn restore(&self, what: Quantity, estimate: Estimate, now: Moment) -> bool {
        if what == Quantity::Decode {
            self.alone.store(estimate.samples, Ordering::Relaxed);
        }
        self.track(what).is_some_and(|track| track.restore(estimate, now))
    }

    /// What was learned of the same model elsewhere, where nothing was learned here.
    pub(super) fn take_over(&self, other: &Self, now: Moment) {
        for (what, track) in other.tracks() {
            if self.track(what).is_some_and(|own| own.samples() == 0)
                && let Some(estimate) = track.estimate(now)
            {
                self.restore(what, estimate, now);
            }
        }
    }

    pub(super) fn forget(&self) {
        self.alone.store(0, Ordering::Relaxed);
        self.tracks().into_iter().for_each(|(_, track)| track.forget());
    }
}

/// Tokens of the prompt that its cache did not hold.
fn fresh(shown: &Shown) -> Option<f64> {
    Some((shown.prompt_tokens? as f64 - shown.cached_tokens.max(0.0)).max(0.0))
}

/// Whether its frames came as its tokens were made.
fn comes_as_made(shown: &Shown) -> bool {
    let tokens = shown.answer_tokens.unwrap_or(shown.frames) as f64;
    shown.first.is_some() && shown.frames >= 2 && tokens <= shown.frames as f64 * TOKENS_PER_FRAME
}

/// How the time of an answer divides, as far as it can be told.
fn divide(shown: &Shown, known: Option<Rates>) -> Option<Parts> {
    let counted = shown.answer_tokens.unwrap_or(shown.frames);
    // Of an answer that did not come to its end only its frames are known.
    let tokens = (if shown.is_whole { counted } else { shown.frames }) as f64;
    if let Some(first) = shown.first.filter(|_| comes_as_made(shown)) {
        let making = shown.total.saturating_sub(first);
        return Some(Parts { before: first, load: shown.told.load, making, tokens: tokens - 1.0 });
    }
    if !shown.is_whole || shown.is_held_up {
        return None;
    }
    let Told { load, prompt, answer } = shown.told;
    if let (Some(prompt), Some(answer)) = (prompt, answer) {
        let told = load.unwrap_or_default() + prompt + answer;
        let scale = shown.total.as_secs_f64() / told.as_secs_f64();
        if scale.is_finite() && scale.ln().abs() <= DISAGREEMENT.ln() {
            let making = answer.mul_f64(scale);
            return Some(Parts { before: shown.total.saturating_sub(making), load, making, tokens });
        }
    }
    // Nobody says how it divides: as predicted, so that both rates are corrected by the same factor.
    let known = known.filter(|_| shown.load == Load::None)?;
    let (before, making) = (known.prefill_ms(fresh(shown)?), known.decode_ms(tokens, shown.company));
    let making = shown.total.mul_f64((making / (before + making)).clamp(0.0, 1.0));
    Some(Parts { before: shown.total.saturating_sub(making), load: None, making, tokens })
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}

#[cfg(test)]
mod tests;
