//! How many requests failed of those of the last five minutes, in ten parts of half a minute. Knows nothing but moments.

use std::time::Duration;

use crate::moment::Moment;

/// Parts of the window.
const PARTS: usize = 10;
/// Length of a part.
const PART: Duration = Duration::from_secs(30);

/// Counts by the part of time in which they fell.
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: [Part; PARTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Which part since the beginning of time; a place is used again once its part is over.
    number: u64,
    failed: u32,
    all: u32,
}

impl Window {
    /// A request ended.
    pub(super) fn add(&mut self, failed: bool, now: Moment) {
        let number = number(now);
        let Some(part) = self.parts.get_mut((number % PARTS as u64) as usize) else { return };
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        part.failed += u32::from(failed);
        part.all += 1;
    }

    /// Failures and requests of the last five minutes, give or take a part, and in parts that began at `from` or later.
    pub(super) fn count(&self, from: Moment, now: Moment) -> (u32, u32) {
        let last = number(now);
        let first = from.0.div_ceil(PART.as_millis() as u64).max((last + 1).saturating_sub(PARTS as u64));
        let parts = self.parts.iter().filter(|part| (first..=last).contains(&part.number));
        parts.fold((0, 0), |(failed, all), part| (failed + part.failed, all + part.all))
    }
}

fn number(at: Moment) -> u64 {
    at.0 / PART.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_five_minutes_does_not_count() {
        let mut window = Window::default();
        for minute in 0..7_u64 {
            window.add(minute < 3, Moment(minute * 60_000));
        }
        assert_eq!(window.count(Moment(0), Moment(6 * 60_000)), (1, 5));
        assert_eq!(window.count(Moment(4 * 60_000), Moment(6 * 60_000)), (0, 3));
        assert_eq!(window.count(Moment(0), Moment(60 * 60_000)), (0, 0));
    }
}
