//! How many streams run, on average over any span of time: the area under their number, kept as streams come and go. So
//! an answer that ends knows what company it had, without anybody having watched.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::moment::Moment;

/// Bits of the number of streams; the moment of the last change has the rest, 44 bits: five hundred years.
const WIDTH: u32 = 20;
const MOST: u64 = (1 << WIDTH) - 1;

/// Streams of one model on a backend, or of all its models. Changed by one thread, the data thread; anybody reads it,
/// and sees a moment's change half at worst.
#[derive(Debug, Default)]
pub struct Occupancy {
    /// When their number changed last, and the number.
    state: AtomicU64,
    /// Streams times milliseconds up to then.
    area: AtomicU64,
}

/// A point in the life of an [`Occupancy`], to measure from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    at: Moment,
    area: u64,
}

impl Occupancy {
    /// A stream begins.
    pub fn enter(&self, now: Moment) {
        self.change(now, |streams| (streams + 1).min(MOST));
    }

    /// A stream ends.
    pub fn leave(&self, now: Moment) {
        self.change(now, |streams| streams.saturating_sub(1));
    }

    /// Streams that run now.
    pub fn streams(&self) -> u64 {
        self.state.load(Ordering::Acquire) & MOST
    }

    /// Here and now, to measure from.
    pub fn mark(&self, now: Moment) -> Mark {
        Mark { at: now, area: self.area(now) }
    }

    /// Streams on average since `mark`; those that run now if no time went by.
    pub fn mean_since(&self, mark: Mark, now: Moment) -> f64 {
        let span = now.since(mark.at).as_millis();
        if span == 0 {
            return self.streams() as f64;
        }
        self.area(now).saturating_sub(mark.area) as f64 / span as f64
    }

    fn area(&self, now: Moment) -> u64 {
        let state = self.state.load(Ordering::Acquire);
        let since = now.0.saturating_sub(state >> WIDTH);
        self.area.load(Ordering::Acquire).saturating_add((state & MOST).saturating_mul(since))
    }

    fn change(&self, now: Moment, change: impl FnOnce(u64) -> u64) {
        let area = self.area(now);
        let state = self.state.load(Ordering::Acquire);
        // A clock that is read by several never runs back here.
        let at = now.0.max(state >> WIDTH);
        self.area.store(area, Ordering::Release);
        self.state.store(at << WIDTH | change(state & MOST), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_is_averaged_over_the_time_of_an_answer() {
        let streams = Occupancy::default();
        streams.enter(Moment(100));
        let mark = streams.mark(Moment(100));
        streams.enter(Moment(150));
        streams.leave(Moment(175));
        assert_eq!(streams.mean_since(mark, Moment(200)), 1.25);
        assert_eq!(streams.streams(), 1);
        streams.leave(Moment(200));
        assert_eq!(streams.mean_since(streams.mark(Moment(200)), Moment(900)), 0.0);
    }

    #[test]
    fn no_time_and_a_late_reader_harm_nobody() {
        let streams = Occupancy::default();
        streams.enter(Moment(100));
        assert_eq!(streams.mean_since(streams.mark(Moment(100)), Moment(100)), 1.0);
        let mark = streams.mark(Moment(200));
        streams.enter(Moment(150));
        assert_eq!(streams.mean_since(mark, Moment(100)), 2.0);
        streams.leave(Moment(300));
        streams.leave(Moment(300));
        streams.leave(Moment(300));
        assert_eq!(streams.streams(), 0);
    }
}
