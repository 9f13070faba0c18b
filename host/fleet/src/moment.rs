//! Points in time as the core sees them: milliseconds on the router's own monotonic clock. The core never
//! reads a clock; node clocks and wall clocks have no place here.

use std::fmt;
use std::time::{Duration, Instant};

/// Milliseconds since the router started. Monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// `now` on a clock that began at `start`. Whoever asks has read the clock; this only subtracts.
    pub fn on(start: Instant, now: Instant) -> Self {
        Self::default().plus(now.saturating_duration_since(start))
    }

    /// How long ago `earlier` was, zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved on by `by`.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Renders a number of milliseconds the way people say it: `0 ms`, `850 ms`, `8.4 s`, `3.2 min`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ms(pub f64);

impl fmt::Display for Ms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size < 999.5 {
            // Adding zero turns -0 into 0.
            write!(out, "{:.0} ms", self.0.round() + 0.0)
        } else if size < 59_950.0 {
            write!(out, "{:.1} s", self.0 / 1e3)
        } else {
            write!(out, "{:.1} min", self.0 / 6e4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_read_as_people_say_them() {
        for (ms, text) in [
            (0.0, "0 ms"),
            (-0.2, "0 ms"),
            (999.4, "999 ms"),
            (999.6, "1.0 s"),
            (8_400.0, "8.4 s"),
            (192_000.0, "3.2 min"),
            (-1_500.0, "-1.5 s"),
        ] {
            assert_eq!(Ms(ms).to_string(), text, "{ms}");
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
        assert_eq!(Moment(5).plus(Duration::from_secs(2)), Moment(2005));
    }
}
