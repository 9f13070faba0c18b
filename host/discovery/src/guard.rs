//! When the multicast part is thrown away and begun anew. It keeps whatever anybody on the network answers, for as long
//! as the answer says, so that only a new beginning bounds what it holds. Pure arithmetic; time is an argument.

use std::time::{Duration, Instant};

/// Records that it may hold. A network of some hundred devices has a tenth of it; each costs about 300 bytes.
const MOST_RECORDS: i64 = 4_096;
/// Moments that it wants to be woken at: two for each record that was ever refreshed and is not over yet.
const MOST_TIMERS: i64 = 200_000;
/// Events a second that are looked at; a fleet of a thousand that comes up at once has fewer.
const MOST_EVENTS: u32 = 2_000;
/// A second beginning within this time of the last one waits first.
const CALM: Duration = Duration::from_secs(600);
/// The first such wait. It doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest such wait.
const LAST_PAUSE: Duration = Duration::from_secs(80);

/// Why it is begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("the network answers more than {MOST_EVENTS} times a second")]
    Flood,
    #[error("more than {MOST_RECORDS} answers of others are kept")]
    Records,
    #[error("it does not answer")]
    Silent,
}

/// What was counted, and the pauses that follow from it.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    second: Option<(Instant, u32)>,
    /// The last new beginning, and the pause before it.
    last: Option<(Instant, Duration)>,
}

impl Guard {
    /// One more event. Says when there are too many.
    pub(crate) fn event(&mut self, now: Instant) -> Result<(), Reason> {
        let (began, count) = match self.second {
            Some((began, count)) if now.duration_since(began) < Duration::from_secs(1) => (began, count + 1),
            _ => (now, 1),
        };
        self.second = Some((began, count));
        if count > MOST_EVENTS { Err(Reason::Flood) } else { Ok(()) }
    }

    /// How long to stay away before the next beginning.
    pub(crate) fn pause(&mut self, now: Instant) -> Duration {
        let pause = match self.last {
            Some((then, pause)) if now.duration_since(then) < CALM => {
                (pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE)
            }
            _ => Duration::ZERO,
        };
        self.last = Some((now, pause));
        self.second = None;
        pause
    }
}

/// Whether what it says of itself is within the bounds. `count` gives its counters by their names.
pub(crate) fn check(count: impl Fn(&str) -> i64) -> Result<(), Reason> {
    let records = ["cached-ptr", "cached-srv", "cached-addr", "cached-txt", "cached-nsec", "cached-subtype"]
        .map(&count);
    let is_too_much = records.iter().sum::<i64>() > MOST_RECORDS || count("timer") > MOST_TIMERS;
    if is_too_much { Err(Reason::Records) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_the_second() {
        let (mut guard, start) = (Guard::default(), Instant::now());
        for second in 0..3 {
            for _ in 0..MOST_EVENTS {
                assert_eq!(guard.event(start + Duration::from_secs(second)), Ok(()));
            }
        }
        assert_eq!(guard.event(start + Duration::from_millis(2_999)), Err(Reason::Flood));
    }

    #[test]
    fn beginnings_that_follow_each_other_wait_longer_and_longer() {
        let (mut guard, start) = (Guard::default(), Instant::now());
        let pauses: Vec<_> = (0..7).map(|_| guard.pause(start).as_secs()).collect();
        assert_eq!(pauses, [0, 5, 10, 20, 40, 80, 80]);
        assert_eq!(guard.pause(start + CALM), Duration::ZERO);
    }

    #[test]
    fn every_kind_of_record_counts() {
        for kind in ["cached-ptr", "cached-srv", "cached-addr", "cached-txt", "cached-nsec", "cached-subtype"]
        {
            assert_eq!(check(|name| if name == kind { MOST_RECORDS } else { 0 }), Ok(()));
            assert_eq!(check(|name| if name == kind { MOST_RECORDS + 1 } else { 0 }), Err(Reason::Records));
        }
        assert_eq!(check(|name| if name == "timer" { MOST_TIMERS + 1 } else { 0 }), Err(Reason::Records));
        assert_eq!(check(|name| if name == "respond" { i64::MAX } else { 0 }), Ok(()));
    }
}
