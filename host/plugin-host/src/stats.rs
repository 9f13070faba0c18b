//! What one version of one plugin has done: calls, faults, how long its calls take, and whether it is out for
//! misbehaviour. Shared by all sets that contain this version; written on the data thread, read by anybody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::fault::Fault;

/// This many faults …
const STRIKES: usize = 3;
/// … within this time put a plugin in quarantine.
const WINDOW: Duration = Duration::from_secs(60);
/// On a busy machine the clock also runs while nobody lets the plugin run, so one that ran out of time is to
/// blame only if it does so again and again: the strikes that count lie within this many calls …
const LATE_ROW: u64 = 10;
/// … or more than one call in this many was late, and that …
const LATE_SHARE: u64 = 100;
/// … at least so often.
const LATE_LEAST: u64 = 10;
/// Steps per doubling of a call's duration: a percentile is right to about a fifth.
const STEPS: u32 = 4;
/// 2^32 ns are more than any budget.
const BUCKETS: usize = 32 * STEPS as usize;

/// The record of one version.
#[derive(Debug)]
pub(crate) struct Stats {
    calls: AtomicU64,
    faults: AtomicU64,
    /// Calls that reached the plugin.
    reached: AtomicU64,
    late: AtomicU64,
    times: [AtomicU64; BUCKETS],
    out: AtomicBool,
    strikes: Mutex<Strikes>,
}

#[derive(Debug, Default)]
struct Strikes {
    recent: VecDeque<Instant>,
    /// At which calls it ran out of time lately.
    late_at: VecDeque<u64>,
    last: Option<String>,
}

impl Strikes {
    /// Whether as many calls as it takes were late one shortly after the other, this one the last.
    fn late_again(&mut self, call: u64) -> bool {
        self.late_at.push_back(call);
        while self.late_at.len() > STRIKES {
            self.late_at.pop_front();
        }
        self.late_at.len() == STRIKES && self.late_at.front().is_some_and(|first| call - first < LATE_ROW)
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            reached: AtomicU64::new(0),
            late: AtomicU64::new(0),
            times: [const { AtomicU64::new(0) }; BUCKETS],
            out: AtomicBool::new(false),
            strikes: Mutex::default(),
        }
    }
}

impl Stats {
    /// A call ended well.
    pub(crate) fn count(&self, took: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.reached.fetch_add(1, Ordering::Relaxed);
        if let Some(bucket) = self.times.get(bucket(took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call ended badly. The third within a minute puts the version out at once.
    pub(crate) fn strike(&self, fault: &Fault, now: Instant) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.faults.fetch_add(1, Ordering::Relaxed);
        // Restarting is the consequence of a fault and not another one.
        if *fault == Fault::Restarting {
            return;
        }
        let reached = self.reached.fetch_add(1, Ordering::Relaxed) + 1;
        let mut strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        strikes.last = Some(fault.to_string());
        if matches!(fault, Fault::Deadline { .. }) {
            let late = self.late.fetch_add(1, Ordering::Relaxed) + 1;
            let often = late >= LATE_LEAST && late * LATE_SHARE > reached;
            if !strikes.late_again(reached) && !often {
                return;
            }
            self.out.store(true, Ordering::Release);
        }
        strikes.recent.push_back(now);
        while strikes.recent.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            strikes.recent.pop_front();
        }
        if strikes.recent.len() >= STRIKES {
            self.out.store(true, Ordering::Release);
        }
    }

    /// Whether it must not be asked.
    pub(crate) fn is_out(&self) -> bool {
        self.out.load(Ordering::Acquire)
    }

    /// Its time is served: it may be asked again, with a clean record.
    pub(crate) fn readmit(&self) {
        let mut strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        strikes.recent.clear();
        strikes.late_at.clear();
        self.late.store(0, Ordering::Relaxed);
        drop(strikes);
        self.out.store(false, Ordering::Release);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The last fault in words.
    pub(crate) fn last_fault(&self) -> Option<String> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// The duration that `share` of the calls did not exceed, in microseconds; `None` without calls.
    pub(crate) fn percentile_us(&self, share: f64) -> Option<f64> {
        let counts: Vec<u64> = self.times.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let wanted = ((all as f64) * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let found = counts.iter().position(|count| {
            below += count;
            below >= wanted
        });
        // The upper end of the bucket: never flattering.
        found.filter(|_| all > 0).map(|bucket| 2f64.powf((bucket + 1) as f64 / f64::from(STEPS)) / 1e3)
    }
}

fn bucket(took: Duration) -> usize {
    let ns = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX).max(1);
    let octave = ns.ilog2();
    // The two bits below the leading one are the quarter of the octave.
    let quarter = (u64::from(ns) << 2 >> octave & 3) as u32;
    (octave * STEPS + quarter) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_faults_in_a_minute_are_enough_and_in_two_minutes_are_not() {
        let (slow, fast) = (Stats::default(), Stats::default());
        let start = Instant::now();
        for strike in 0..3 {
            slow.strike(&Fault::MinusInfinity, start + Duration::from_secs(strike * 31));
            fast.strike(&Fault::MinusInfinity, start + Duration::from_secs(strike * 30));
        }
        assert!(!slow.is_out());
        assert!(fast.is_out());
        fast.readmit();
        assert!(!fast.is_out());
        assert_eq!((fast.faults(), fast.last_fault().as_deref()), (3, Some("it answered minus infinity")));
    }

    #[test]
    fn being_late_now_and_then_is_the_machines_fault() {
        let (rarely, always) = (Stats::default(), Stats::default());
        for _ in 0..3 {
            for _ in 0..300 {
                rarely.count(Duration::from_micros(1));
            }
            rarely.strike(&Fault::Deadline { ms: 5 }, Instant::now());
            always.strike(&Fault::Deadline { ms: 5 }, Instant::now());
        }
        assert!(!rarely.is_out() && always.is_out());
        let (young, sometimes) = (Stats::default(), Stats::default());
        for round in 0..20 {
            for _ in 0..20 {
                young.count(Duration::from_micros(1));
                sometimes.count(Duration::from_micros(1));
            }
            if round < 3 {
                young.strike(&Fault::Deadline { ms: 5 }, Instant::now());
            }
            sometimes.strike(&Fault::Deadline { ms: 5 }, Instant::now());
        }
        assert!(!young.is_out(), "three late calls in a busy minute");
        assert!(sometimes.is_out(), "one call in twenty, on and on");
    }

    #[test]
    fn waiting_for_a_restart_is_no_further_fault() {
        let stats = Stats::default();
        for _ in 0..10 {
            stats.strike(&Fault::Restarting, Instant::now());
        }
        assert!(!stats.is_out());
    }

    #[test]
    fn percentiles_are_right_to_a_fifth() {
        let stats = Stats::default();
        assert_eq!(stats.percentile_us(0.5), None);
        for us in 1..=100 {
            stats.count(Duration::from_micros(us));
        }
        for (share, us) in [(0.5, 50.0), (0.99, 99.0)] {
            let found = stats.percentile_us(share).expect("there were calls");
            assert!((us..us * 1.26).contains(&found), "{share}: {found}");
        }
    }
}
