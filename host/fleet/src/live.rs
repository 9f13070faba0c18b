//! What must be true this instant and not at the next heartbeat: a backend's death and the loads we started
//! ourselves. Shared by all snapshots of the same backend; every field is one atomic word, and so is all that a decision
//! reads of a breaker that nothing is held against.
//!
//! Without crediting one's own dispatches at once, a burst of requests all see the same idle machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::breaker::Breaker;
use crate::learned::{Hours, OfModel, Speed};
use crate::moment::Moment;
use crate::occupancy::Occupancy;
use crate::slots::Slots;

/// A moment in an atomic word; 0 means never, so moments are stored one later than they are.
#[derive(Debug, Default)]
struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    fn get(&self) -> Option<Moment> {
        self.0.load(Ordering::Acquire).checked_sub(1).map(Moment)
    }

    fn set(&self, at: Option<Moment>) {
        self.0.store(at.map_or(0, |at| at.0.saturating_add(1)), Ordering::Release);
    }
}

/// The live side of one backend.
#[derive(Debug, Default)]
pub struct BackendLive {
    /// Streams of ours that run here, of whatever model.
    pub streams: Occupancy,
    refused: AtomicBool,
    /// Grows with each piece of an answer. Only that it moves means something.
    pieces: AtomicU64,
    /// Whether it keeps what it is trusted with.
    pub breaker: Arc<Breaker>,
}

impl BackendLive {
    /// A connection failed just now. Nobody is sent here until an observation says that it answers again.
    pub fn mark_refused(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// It answered a probe.
    pub fn mark_reached(&self) {
        self.refused.store(false, Ordering::Release);
    }

    /// Whether the last thing that happened was a refused connection.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// A piece of an answer came. A count and not a moment: it is told thousands of times a second, and reading a
    /// clock would be what costs most of it. Whoever wants to know compares two looks.
    pub fn mark_flowing(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that is another one whenever pieces of answers came in between.
    pub fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }
}

/// The live side of one machine.
#[derive(Debug, Default)]
pub struct NodeLive {
    /// When it is ours, as learned.
    pub hours: Arc<Hours>,
    beat: AtomicMoment,
}

impl NodeLive {
    /// Of a machine of which this was learned.
    pub fn new(hours: Arc<Hours>) -> Self {
        Self { hours, ..Self::default() }
    }

    /// Its agent was heard.
    pub fn mark_beat(&self, at: Moment) {
        self.beat.set(Some(at));
    }

    /// When its agent was heard last.
    pub fn beat(&self) -> Option<Moment> {
        self.beat.get()
    }
}

/// The live side of one model on one backend.
#[derive(Debug)]
pub struct HoldingLive {
    /// Who may run now.
    pub slots: Arc<Slots>,
    /// Streams of ours that run.
    pub streams: Occupancy,
    /// How fast it is here, as learned.
    pub speed: Arc<Speed>,
    /// What was learned of the model wherever it runs.
    pub of_model: Arc<OfModel>,
    load_began: AtomicMoment,
    /// Requests that wait for the load under way.
    joined: AtomicU32,
    succeeded: AtomicMoment,
    /// When we last had its backend let go of it.
    evicted: AtomicMoment,
    /// When its backend last said that it does not have the model.
    denied: AtomicMoment,
    /// Until when nobody is sent here, because its backend said that it has too much to do.
    busy_until: AtomicMoment,
    /// How often it said so since the last good answer.
    refusals: AtomicU32,
}

/// How long somebody who says that it is busy is left alone: doubled each time it says so again, up to the most.
/// Asking costs little, but what many ask at once is what keeps it busy.
const LEFT_ALONE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

impl HoldingLive {
    /// Nothing running, nothing loading, nothing learned.
    pub fn new(slots: u32) -> Self {
        Self::with(slots, Arc::default(), Arc::default())
    }

    /// Nothing running, nothing loading; with what was learned.
    pub fn with(slots: u32, speed: Arc<Speed>, of_model: Arc<OfModel>) -> Self {
        Self {
            slots: Arc::new(Slots::new(slots)),
            streams: Occupancy::default(),
            speed,
            of_model,
            load_began: AtomicMoment::default(),
            joined: AtomicU32::new(0),
            succeeded: AtomicMoment::default(),
            evicted: AtomicMoment::default(),
            denied: AtomicMoment::default(),
            busy_until: AtomicMoment::default(),
            refusals: AtomicU32::new(0),
        }
    }

    /// Its backend says that it has too much to do, whatever we count.
    pub fn mark_busy(&self, now: Moment) {
        let (first, most) = LEFT_ALONE;
        let before = self.refusals.fetch_add(1, Ordering::AcqRel);
        let alone = most.min(first * 2_u32.pow(before.min(8)));
        self.busy_until.set(Some(now.plus(alone)));
    }

    /// Until when nobody is to be sent here, if that is not over.
    pub fn busy_until(&self, now: Moment) -> Option<Moment> {
        self.busy_until.get().filter(|until| *until > now)
    }

    /// Its backend says that it does not have the model, whatever it listed. Nobody is sent here for it until a newer
    /// list has it.
    pub fn mark_denied(&self, now: Moment) {
        self.denied.set(Some(now));
    }

    /// Whether its backend denied the model after it listed it at `listed`.
    pub fn is_denied_since(&self, listed: Option<Moment>) -> bool {
        self.denied.get().is_some_and(|denied| listed.is_none_or(|listed| listed <= denied))
    }

    /// We sent a request to a backend where the model is not resident: it is loading from now on. The credit
    /// lasts until an answer comes or everybody who joined the load has left.
    pub fn join_load(self: &Arc<Self>, now: Moment) -> LoadCredit {
        if self.joined.fetch_add(1, Ordering::AcqRel) == 0 {
            self.load_began.set(Some(now));
        }
        LoadCredit { live: Arc::clone(self) }
    }

    /// An answer began well: the model is resident, whatever the last poll said.
    pub fn credit_success(&self, now: Moment) {
        self.succeeded.set(Some(now));
        self.load_began.set(None);
        self.busy_until.set(None);
        self.refusals.store(0, Ordering::Release);
    }

    /// Its backend let go of the model because we asked it to, whatever the last poll said.
    pub fn credit_eviction(&self, now: Moment) {
        self.evicted.set(Some(now));
    }

    /// When we last had its backend let go of it, unless an answer came since.
    pub fn evicted(&self) -> Option<Moment> {
        self.evicted.get().filter(|evicted| self.succeeded().is_none_or(|succeeded| succeeded <= *evicted))
    }

    /// When a load that we started and that nobody answered for yet began.
    pub fn load_began(&self) -> Option<Moment> {
        self.load_began.get()
    }

    /// When the last good answer began.
    pub fn succeeded(&self) -> Option<Moment> {
        self.succeeded.get()
    }
}

/// A request's part in a load. Dropping the last one ends the credit.
#[derive(Debug)]
pub struct LoadCredit {
    live: Arc<HoldingLive>,
}

impl Drop for LoadCredit {
    fn drop(&mut self) {
        if self.live.joined.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.live.load_began.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_credited_once_and_ends_with_the_first_good_answer() {
        let live = Arc::new(HoldingLive::new(2));
        let first = live.join_load(Moment(0));
        let second = live.join_load(Moment(50));
        assert_eq!(live.load_began(), Some(Moment(0)), "the first request started it");
        live.credit_success(Moment(70));
        assert_eq!((live.load_began(), live.succeeded()), (None, Some(Moment(70))));
        drop((first, second));
        assert_eq!(live.load_began(), None);
    }

    #[test]
    fn somebody_who_says_that_it_is_busy_is_left_alone_longer_each_time() {
        let live = HoldingLive::new(1);
        for (now, until) in
            [(0, 250), (250, 750), (750, 1_750), (1_750, 3_750), (3_750, 7_750), (7_750, 11_750)]
        {
            assert_eq!(live.busy_until(Moment(now)), None, "it may be asked again");
            live.mark_busy(Moment(now));
            assert_eq!(live.busy_until(Moment(now)), Some(Moment(until)));
        }
        live.credit_success(Moment(8_000));
        assert_eq!(live.busy_until(Moment(8_000)), None);
        live.mark_busy(Moment(9_000));
        assert_eq!(live.busy_until(Moment(9_000)), Some(Moment(9_250)), "a good answer makes good");
    }

    #[test]
    fn somebody_who_leaves_does_not_end_the_load_of_others() {
        let live = Arc::new(HoldingLive::new(2));
        let first = live.join_load(Moment(0));
        drop(live.join_load(Moment(10)));
        assert_eq!(live.load_began(), Some(Moment(0)));
        drop(first);
        assert_eq!(live.load_began(), None, "nobody is left who waits for it");
    }
}
