//! Simulated time: whole microseconds since a run began. Must not know any clock.

use std::ops::{Add, Sub};

use herdwick_fleet::Moment;

/// A point in simulated time, or a length of it, in microseconds. Whole numbers, so that two events at one time are at
/// one time on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Later than anything that happens.
    pub const NEVER: Self = Self(u64::MAX);

    /// So many seconds; a fraction of a microsecond counts as a whole one, so that nothing ends before it is done.
    pub fn seconds(seconds: f64) -> Self {
        if seconds >= 1e12 { Self::NEVER } else { Self((seconds.max(0.0) * 1e6).ceil() as u64) }
    }

    /// So many milliseconds.
    pub fn ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// In seconds.
    pub fn s(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// As the router sees it, in its milliseconds.
    pub fn moment(self) -> Moment {
        Moment(self.0 / 1_000)
    }

    /// The first time at which the router's clock shows `moment`.
    pub fn of(moment: Moment) -> Self {
        Self::ms(moment.0)
    }
}

impl Add for Time {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl Sub for Time {
    type Output = Self;

    /// Zero where `less` is later.
    fn sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }
}
