//! What is kept of a machine, and in which words. Knows neither SQL nor who wants to know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use herdwick_fleet::{Remembered, Source};

/// A machine, and when it was there. Times are whole seconds of this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is and what its operator wants of it.
    pub node: Remembered,
    /// When it was heard of first; `None` if it never was.
    pub first_seen: Option<SystemTime>,
    /// When it was heard of last, up to two minutes late.
    pub last_seen: Option<SystemTime>,
    /// Since when it is drained, if it is.
    pub drained_since: Option<SystemTime>,
}

/// Words for how a machine came to be known.
const SOURCES: [(Source, &str); 3] =
    [(Source::Configured, "configured"), (Source::Added, "added"), (Source::Found, "found")];

/// As it is kept.
pub(crate) fn source_name(source: Source) -> &'static str {
    SOURCES.iter().find(|(one, _)| *one == source).map_or("", |(_, name)| name)
}

pub(crate) fn source(name: &str) -> Option<Source> {
    SOURCES.iter().find(|(_, one)| *one == name).map(|(source, _)| *source)
}

/// Seconds since 1970, as they are kept.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// The time of seconds since 1970; `None` for one that this machine cannot name.
pub(crate) fn time(seconds: i64) -> Option<SystemTime> {
    let length = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(length) } else { UNIX_EPOCH.checked_add(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_by_the_second() {
        for seconds_since in [0, 1, 1_764_000_000, -5] {
            assert_eq!(time(seconds_since).map(seconds), Some(seconds_since));
        }
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1_999)), 1);
    }

    #[test]
    fn every_source_has_a_word_of_its_own() {
        for one in [Source::Configured, Source::Added, Source::Found] {
            assert_eq!(source(source_name(one)), Some(one));
        }
        assert_eq!(source("dreamt"), None);
    }
}
