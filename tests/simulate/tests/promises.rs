//! Two hundred seeds keep every promise, the same seed is the same run, and whoever breaks a promise is noticed.
#![cfg(test)]

use herdwick_simulate::faults::Sort;
use herdwick_simulate::promises::{self, Mutant, Wanted};
use herdwick_simulate::signals;

/// Seeds of every test run; `cargo xtask simulate` tries thousands.
const SEEDS: u64 = 200;

#[test]
fn two_hundred_seeds_keep_every_promise() {
    let report = promises::sweep((0, SEEDS), Wanted::default(), 3).unwrap();
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(report.seeds, SEEDS);
    // A sweep in which hardly anything was answered, or hardly anything went wrong, would have tried nothing.
    assert!(report.answered * 2 > report.requests, "{report}");
    assert!(report.faults as u64 > SEEDS, "{report}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let policy = signals::native(&[]).unwrap();
    let hash = |seed| promises::run(seed, Wanted::default(), &policy).hash;
    for seed in [1, 2, 3] {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(1), hash(2));
}

#[test]
fn each_broken_promise_is_noticed() {
    for mutant in Mutant::ALL {
        let faults = match mutant {
            Mutant::RetriesForever => Some(Sort::Errors),
            Mutant::BeginsAnew => Some(Sort::Death),
            _ => None,
        };
        let report = promises::sweep((0, 60), Wanted { faults, mutant: Some(mutant) }, 1).unwrap();
        assert!(!report.failed.is_empty(), "{mutant:?} was not noticed in {} seeds", report.seeds);
    }
}
