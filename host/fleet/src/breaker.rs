//! Whether a backend keeps what it was trusted with: counts how requests to it end and says when it gets no more, one at
//! a time, or slowly more again. Knows no other backend; that the last holder of a model is always asked is for
//! [`crate::candidate`], which knows them all.
//!
//! A backend *passes* until it fails three times in a row, or half the time of late: then it is *tripped* and rests, longer
//! each time. After that it is on *probation*: one request at a time until one is answered, and from then on slowly more.
//! Failing quickly earns nothing: a slot that is free at once would draw the next request, so a backend that failed rests
//! a moment also before it trips. Loads are counted apart: Ollama's scheduler can be stuck for cold models for hours while
//! those in memory answer (ollama#17408).

mod window;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::window::Window;
use crate::fallback::Failure;
use crate::moment::Moment;

/// Failures in a row that trip it. Two can be one bad moment.
const ROW: u32 = 3;
/// Requests of the last five minutes of which half must have failed to trip it; of fewer nothing follows.
const FEW: u32 = 10;
/// How long it rests after a failure that is not its third, doubled by the next one: about as long as a short answer
/// takes, so that failing is no faster than serving.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it rests when it trips, at first and at most; doubled each time.
const REST: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));
/// The same for loads, which cost a machine more than a request does.
const LOAD_REST: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
/// A backend that did not trip for so long has made good.
const CALM: Duration = Duration::from_secs(300);
/// From the first good answer after a trip until it takes as much as before.
pub const SLOW_START: Duration = Duration::from_secs(30);
/// Failures of the network within such a time are one event.
const TOGETHER: Duration = Duration::from_secs(10);

/// What a trip was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many failures in a row.
    Row(u32),
    /// So many failures of so many requests, last five minutes.
    Share(u32, u32),
    /// It did not answer, and nothing ran there.
    Hung,
}

/// Why it gets no request now, as far as it alone can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// It failed a moment ago and rests so long yet.
    Paused(Duration),
    /// It failed, or did so lately, and is tried by so many requests at a time, all of which run.
    Tried(u32),
    /// It is tripped, and rests so long yet.
    Tripped(Cause, Duration),
    /// It answers, but does not get models loaded; so long it is asked for none that is not in memory.
    LoadsFail(Duration),
}

/// What changed by what was told. Whoever tells it passes it on, so that it can be read in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It gets no more requests, for so long.
    Tripped(Cause, Duration),
    /// It answered after a trip, and gets slowly more again.
    Answers,
    /// Loads failed so often in a row that none is begun there, for so long.
    LoadsFail(u32, Duration),
    /// A load succeeded again.
    Loads,
}

/// Where it stands, for whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It gets what there is.
    Passing,
    /// It gets nothing until then.
    Tripped(Moment),
    /// It is being tried; since when it answers, if it does.
    Probation(Option<Moment>),
}

/// The breaker of one backend, shared by all snapshots of it.
#[derive(Debug)]
pub struct Breaker {
    /// Nothing is held against it: the usual case, for which one word is read and no lock taken.
    is_clear: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    cause: Cause,
    /// Failures since the last good answer, and until when it rests for them.
    row: u32,
    paused: Moment,
    /// Whether each failure of the row was one of the network.
    is_network: bool,
    /// How it ended lately, and from when on that counts for a trip.
    window: Window,
    counts_from: Moment,
    /// Trips one soon after the other, and when the last one was.
    trips: u32,
    tripped: Moment,
    /// Requests that try it now, since `round`.
    trials: u32,
    round: u32,
    /// When a model in memory answered last.
    answered: Option<Moment>,
    loads: Loads,
}

/// How loads fared.
#[derive(Clone, Copy, Debug, Default)]
struct Loads {
    row: u32,
    trips: u32,
    until: Option<Moment>,
}

/// A request that tries a backend of which nobody is sure. Dropping it makes room for the next one.
#[derive(Debug)]
pub struct Trial {
    breaker: Arc<Breaker>,
    round: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let state = State {
            phase: Phase::Passing,
            cause: Cause::Row(0),
            row: 0,
            paused: Moment(0),
            is_network: true,
            window: Window::default(),
            counts_from: Moment(0),
            trips: 0,
            tripped: Moment(0),
            trials: 0,
            round: 0,
            answered: None,
            loads: Loads::default(),
        };
        Self { is_clear: AtomicBool::new(true), state: Mutex::new(state) }
    }
}

impl Breaker {
    /// Why it gets no request that needs no load. `slots` is how many it takes when all is well.
    pub fn caution(&self, slots: u32, now: Moment) -> Option<Caution> {
        if self.is_clear.load(Ordering::Acquire) {
            return None;
        }
        self.lock().caution(slots, now)
    }

    /// Why it gets no request that needs a load, beside that.
    pub fn load_caution(&self, now: Moment) -> Option<Caution> {
        if self.is_clear.load(Ordering::Acquire) {
            return None;
        }
        let rest = self.lock().loads.until?.since(now);
        (!rest.is_zero()).then_some(Caution::LoadsFail(rest))
    }

    /// A request is sent there. Until it is answered it counts as one that tries it, if anything is held against it.
    pub fn begin(self: &Arc<Self>) -> Option<Trial> {
        if self.is_clear.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.lock();
        state.trials += 1;
        Some(Trial { breaker: Arc::clone(self), round: state.round })
    }

    /// A good answer began, of a model that was loaded for it if `was_cold`.
    pub fn succeeded(&self, was_cold: bool, now: Moment) -> Option<Turn> {
        let mut state = self.lock();
        let turn = state.succeeded(was_cold, now);
        self.is_clear.store(state.is_clear(), Ordering::Release);
        turn
    }

    /// A request failed, one for which a model was to be loaded if `was_cold`.
    pub fn failed(&self, failure: Failure, was_cold: bool, now: Moment) -> Option<Turn> {
        if !counts(failure) {
            return None;
        }
        let mut state = self.lock();
        let turn = state.failed(failure, was_cold, now);
        self.is_clear.store(state.is_clear(), Ordering::Release);
        turn
    }

    /// It was given up on in the middle of a request, since nothing ran there.
    pub fn hung(&self, now: Moment) -> Option<Turn> {
        let mut state = self.lock();
        state.window.add(true, now);
        state.row += 1;
        state.is_network = false;
        let turn = state.trip(Cause::Hung, now);
        self.is_clear.store(state.is_clear(), Ordering::Release);
        turn
    }

    /// A load did not come to an end in any time that loads take.
    pub fn load_hung(&self, now: Moment) -> Option<Turn> {
        let mut state = self.lock();
        state.window.add(true, now);
        state.loads.row = state.loads.row.max(ROW - 1);
        let turn = state.load_failed(now);
        self.is_clear.store(state.is_clear(), Ordering::Release);
        turn
    }

    /// Its server was away and is back, so a trip for what the network did says nothing of it any more.
    pub fn is_back(&self, now: Moment) {
        if self.is_clear.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.lock();
        if state.is_network && state.row > 0 {
            state.excuse(now);
        }
    }

    /// Whether it is tripped for what the network did a moment ago.
    fn fell_with_others(&self, now: Moment) -> bool {
        if self.is_clear.load(Ordering::Acquire) {
            return false;
        }
        let state = self.lock();
        matches!(state.phase, Phase::Tripped(_))
            && state.is_network
            && state.row > 0
            && now.since(state.tripped) <= TOGETHER
    }

    /// Failures in a row.
    pub fn row(&self) -> u32 {
        if self.is_clear.load(Ordering::Acquire) { 0 } else { self.lock().row }
    }

    /// Share of failures of the last five minutes; `None` without a request.
    pub fn share(&self, now: Moment) -> Option<f64> {
        let (failed, of) = self.lock().window.count(Moment(0), now);
        (of > 0).then(|| f64::from(failed) / f64::from(of))
    }

    /// Where it stands.
    pub fn phase(&self, now: Moment) -> Phase {
        let state = self.lock();
        match state.phase {
            Phase::Tripped(until) if until <= now => Phase::Probation(None),
            Phase::Probation(Some(since)) if now.since(since) >= SLOW_START => Phase::Passing,
            phase => phase,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When every backend is tripped at once for what the network did, it is the router that was cut off: then all of them
/// are tried again at once, and nothing is held against them. Returns how many they are, if so.
pub fn suspects_itself<'a>(
    breakers: impl Iterator<Item = &'a Arc<Breaker>> + Clone,
    now: Moment,
) -> Option<usize> {
    let all = breakers.clone().count();
    if all < 2 || !breakers.clone().all(|breaker| breaker.fell_with_others(now)) {
        return None;
    }
    breakers.for_each(|breaker| breaker.lock().excuse(now));
    Some(all)
}

/// Whether a failure says something of the backend as a whole. What it says of one model, or of how busy it is, others
/// count.
fn counts(failure: Failure) -> bool {
    match failure {
        Failure::Connect | Failure::Cut | Failure::Refused | Failure::Status => true,
        Failure::Overloaded | Failure::ModelMissing | Failure::NoRoom | Failure::ContextTooSmall => false,
    }
}

impl State {
    fn is_clear(&self) -> bool {
        self.phase == Phase::Passing && self.row == 0 && self.loads.until.is_none()
    }

    fn caution(&self, slots: u32, now: Moment) -> Option<Caution> {
        match self.phase {
            Phase::Tripped(until) if until > now => Some(Caution::Tripped(self.cause, until.since(now))),
            Phase::Passing if self.row == 0 => None,
            _ if self.paused > now => Some(Caution::Paused(self.paused.since(now))),
            _ => {
                let most = self.most(slots, now);
                (self.trials >= most).then_some(Caution::Tried(most))
            }
        }
    }

    /// How many may try it at a time.
    fn most(&self, slots: u32, now: Moment) -> u32 {
        let Phase::Probation(Some(since)) = self.phase else { return 1 };
        let share = now.since(since).as_secs_f64() / SLOW_START.as_secs_f64();
        // Saturates; a share over 1 is past the end of probation.
        if share >= 1.0 { u32::MAX } else { 1 + (f64::from(slots) * share) as u32 }
    }

    fn succeeded(&mut self, was_cold: bool, now: Moment) -> Option<Turn> {
        self.window.add(false, now);
        (self.row, self.is_network, self.paused) = (0, true, now);
        let had_trouble = self.loads.until.is_some();
        if was_cold {
            self.loads = Loads::default();
        } else {
            self.answered = Some(now);
        }
        match self.phase {
            Phase::Passing => (was_cold && had_trouble).then_some(Turn::Loads),
            Phase::Probation(Some(since)) => {
                if now.since(since) >= SLOW_START {
                    self.phase = Phase::Passing;
                    self.next_round();
                }
                None
            }
            // The last holder of a model is asked although it is tripped.
            Phase::Tripped(_) | Phase::Probation(None) => {
                self.phase = Phase::Probation(Some(now));
                self.counts_from = now;
                Some(Turn::Answers)
            }
        }
    }

    fn failed(&mut self, failure: Failure, was_cold: bool, now: Moment) -> Option<Turn> {
        self.window.add(true, now);
        let is_network = matches!(failure, Failure::Connect | Failure::Cut);
        let answers = self.answered.is_some_and(|at| now.since(at) <= CALM);
        if was_cold && failure != Failure::Connect && answers {
            return self.load_failed(now);
        }
        match self.phase {
            // What was under way when it tripped says nothing new.
            Phase::Tripped(until) if until > now => return None,
            Phase::Tripped(_) => self.phase = Phase::Probation(None),
            Phase::Probation(_) | Phase::Passing => {}
        }
        self.is_network = is_network && (self.row == 0 || self.is_network);
        self.row += 1;
        if self.row == 1 && self.phase == Phase::Passing {
            self.next_round();
        }
        let (bad, of) = self.window.count(self.counts_from, now);
        let is_on_trial = self.phase == Phase::Probation(None);
        if self.row >= ROW || is_on_trial {
            return self.trip(Cause::Row(self.row), now);
        }
        if of >= FEW && bad * 2 >= of {
            return self.trip(Cause::Share(bad, of), now);
        }
        self.paused = now.plus(PAUSE * 2_u32.pow(self.row - 1));
        None
    }

    /// Loads fail where models in memory answer.
    fn load_failed(&mut self, now: Moment) -> Option<Turn> {
        self.loads.row += 1;
        if self.loads.row < ROW || self.loads.until.is_some_and(|until| until > now) {
            return None;
        }
        let rest = doubled(LOAD_REST, self.loads.trips);
        self.loads.trips += 1;
        self.loads.until = Some(now.plus(rest));
        Some(Turn::LoadsFail(self.loads.row, rest))
    }

    fn trip(&mut self, cause: Cause, now: Moment) -> Option<Turn> {
        if matches!(self.phase, Phase::Tripped(until) if until > now) {
            return None;
        }
        if now.since(self.tripped) > CALM {
            self.trips = 0;
        }
        let rest = doubled(REST, self.trips);
        self.trips += 1;
        (self.cause, self.tripped, self.counts_from) = (cause, now, now);
        self.phase = Phase::Tripped(now.plus(rest));
        self.next_round();
        Some(Turn::Tripped(cause, rest))
    }

    /// It is tried at once, and the trip does not count.
    fn excuse(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Tripped(_)) {
            self.trips = self.trips.saturating_sub(1);
            self.phase = Phase::Probation(None);
        }
        (self.paused, self.counts_from) = (now, now);
        self.next_round();
    }

    /// Those that try it now do not count any more.
    fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.trials = 0;
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if state.round == self.round {
            state.trials = state.trials.saturating_sub(1);
        }
    }
}

fn doubled((first, most): (Duration, Duration), times: u32) -> Duration {
    most.min(first * 2_u32.pow(times.min(8)))
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(1) => out.write_str("it failed again"),
            Self::Row(row) => write!(out, "{row} failures in a row"),
            Self::Share(failed, of) => write!(out, "{failed} of the last {of} requests failed"),
            Self::Hung => out.write_str("it took a request and nothing ran there"),
        }
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |rest: Duration| rest.as_secs_f64();
        match self {
            Self::Paused(rest) => write!(out, "failed just now, tried again in {:.1} s", seconds(*rest)),
            Self::Tried(1) => out.write_str("is on probation (one request at a time)"),
            Self::Tried(most) => write!(out, "is on probation ({most} requests at a time)"),
            Self::Tripped(cause, rest) => {
                write!(out, "is tripped: {cause}, tried again in {:.0} s", seconds(*rest).ceil())
            }
            Self::LoadsFail(rest) => write!(
                out,
                "fails to load models while those in memory answer, tried again in {:.0} s",
                seconds(*rest).ceil()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
