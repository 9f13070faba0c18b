//! A backend's story, told in moments.

use super::*;

const SLOTS: u32 = 4;

fn at(seconds: f64) -> Moment {
    Moment((seconds * 1e3) as u64)
}

fn breaker() -> Arc<Breaker> {
    Arc::new(Breaker::default())
}

fn told(breaker: &Breaker, now: f64) -> String {
    breaker.caution(SLOTS, at(now)).map_or_else(|| "free".to_owned(), |why| why.to_string())
}

fn fails(breaker: &Breaker, now: f64) -> Option<Turn> {
    breaker.failed(Failure::Status, false, at(now))
}

fn trip(breaker: &Breaker, now: f64) -> Option<Turn> {
    (0..3).filter_map(|_| fails(breaker, now)).next()
}

#[test]
fn three_failures_in_a_row_trip_it_and_each_rests_longer() {
    let breaker = breaker();
    assert_eq!(told(&breaker, 0.0), "free");
    assert_eq!(fails(&breaker, 0.0), None);
    assert_eq!(told(&breaker, 0.1), "failed just now, tried again in 0.4 s");
    assert_eq!(told(&breaker, 0.5), "free", "the next one may try it");
    fails(&breaker, 0.5);
    assert_eq!(told(&breaker, 1.4), "failed just now, tried again in 0.1 s");
    let tripped = Turn::Tripped(Cause::Row(3), Duration::from_secs(4));
    assert_eq!(fails(&breaker, 2.0), Some(tripped));
    assert_eq!(told(&breaker, 2.0), "is tripped: 3 failures in a row, tried again in 4 s");
    assert_eq!(breaker.phase(at(2.0)), Phase::Tripped(at(6.0)));
    assert_eq!(breaker.row(), 3);
}

#[test]
fn a_good_answer_makes_good_what_did_not_trip_it() {
    let breaker = breaker();
    fails(&breaker, 0.0);
    fails(&breaker, 1.0);
    assert_eq!(breaker.succeeded(false, at(2.0)), None);
    assert_eq!((told(&breaker, 2.0).as_str(), breaker.row()), ("free", 0));
    fails(&breaker, 3.0);
    assert_eq!(told(&breaker, 3.5), "free", "the row began anew");
}

#[test]
fn whoever_failed_is_tried_by_one_request_at_a_time() {
    let breaker = breaker();
    assert!(breaker.begin().is_none(), "nothing is held against it, so nothing is counted");
    fails(&breaker, 0.0);
    let trial = breaker.begin();
    assert!(trial.is_some());
    assert_eq!(told(&breaker, 1.0), "is on probation (one request at a time)");
    drop(trial);
    assert_eq!(told(&breaker, 1.0), "free", "its client left, which says nothing");
}

#[test]
fn half_of_many_is_too_many_and_half_of_few_is_not() {
    let breaker = breaker();
    let mut turns = Vec::new();
    for second in 0..6_u32 {
        let now = f64::from(second);
        breaker.succeeded(false, at(now));
        turns.extend(fails(&breaker, now + 0.5));
    }
    assert_eq!(turns, [Turn::Tripped(Cause::Share(5, 10), Duration::from_secs(4))]);
    assert_eq!(breaker.share(at(6.0)), Some(0.5));
}

#[test]
fn after_its_rest_one_tries_it_and_what_it_gets_grows_with_the_time_that_it_answers() {
    let breaker = breaker();
    trip(&breaker, 0.0);
    assert_eq!(told(&breaker, 3.9), "is tripped: 3 failures in a row, tried again in 1 s");
    assert_eq!(told(&breaker, 4.0), "free");
    let first = breaker.begin();
    assert_eq!(told(&breaker, 4.0), "is on probation (one request at a time)");
    assert_eq!(breaker.succeeded(false, at(5.0)), Some(Turn::Answers));
    assert_eq!(breaker.phase(at(5.0)), Phase::Probation(Some(at(5.0))));
    assert_eq!(told(&breaker, 5.0), "is on probation (one request at a time)", "it still runs");
    // 1 + 4 · 10/30.
    assert_eq!(told(&breaker, 15.0), "free");
    let second = breaker.begin();
    assert_eq!(told(&breaker, 15.0), "is on probation (2 requests at a time)");
    drop((first, second));
    assert_eq!(breaker.succeeded(false, at(35.0)), None);
    assert_eq!(breaker.phase(at(35.0)), Phase::Passing);
    assert!(breaker.begin().is_none(), "it is one like the others again");
}

#[test]
fn whoever_fails_its_trial_rests_twice_as_long_up_to_a_minute() {
    let breaker = breaker();
    trip(&breaker, 0.0);
    let mut now = 4.0;
    let mut rests = Vec::new();
    for _ in 0..6 {
        let Some(Turn::Tripped(_, rest)) = fails(&breaker, now) else { panic!("one is enough on trial") };
        rests.push(rest.as_secs());
        now += rest.as_secs_f64();
    }
    assert_eq!(rests, [8, 16, 32, 60, 60, 60]);
    breaker.succeeded(false, at(now));
    let calm = now + CALM.as_secs_f64() + 1.0;
    breaker.succeeded(false, at(calm));
    let Some(Turn::Tripped(_, rest)) = trip(&breaker, calm) else { panic!("three in a row") };
    assert_eq!(rest.as_secs(), 4, "it has made good");
}

#[test]
fn what_was_under_way_when_it_tripped_does_not_trip_it_again() {
    let breaker = breaker();
    trip(&breaker, 0.0);
    assert_eq!((fails(&breaker, 0.1), fails(&breaker, 3.0)), (None, None));
    assert_eq!(breaker.phase(at(3.0)), Phase::Tripped(at(4.0)));
}

#[test]
fn what_says_nothing_of_the_backend_does_not_count() {
    let breaker = breaker();
    for failure in [Failure::Overloaded, Failure::ModelMissing, Failure::NoRoom, Failure::ContextTooSmall] {
        for _ in 0..5 {
            assert_eq!(breaker.failed(failure, false, at(0.0)), None);
        }
    }
    assert_eq!((told(&breaker, 0.0).as_str(), breaker.share(at(0.0))), ("free", None));
}

#[test]
fn loads_that_fail_where_models_in_memory_answer_are_a_matter_of_their_own() {
    let breaker = breaker();
    breaker.succeeded(false, at(0.0));
    let cold = |now| breaker.failed(Failure::Status, true, at(now));
    assert_eq!((cold(1.0), cold(2.0)), (None, None));
    assert_eq!(cold(3.0), Some(Turn::LoadsFail(3, Duration::from_secs(30))));
    assert_eq!((told(&breaker, 3.0).as_str(), breaker.row()), ("free", 0), "what is in memory is served");
    let why = breaker.load_caution(at(3.0)).expect("loads are not begun");
    assert_eq!(why.to_string(), "fails to load models while those in memory answer, tried again in 30 s");
    assert_eq!(breaker.load_caution(at(33.0)), None);
    assert_eq!(cold(33.0), Some(Turn::LoadsFail(4, Duration::from_secs(60))));
    assert_eq!(breaker.succeeded(true, at(100.0)), Some(Turn::Loads));
    assert_eq!(breaker.load_caution(at(100.0)), None);
}

#[test]
fn where_nothing_answers_a_failed_load_is_a_failure_like_others() {
    let breaker = breaker();
    for second in 0..3 {
        breaker.failed(Failure::Status, true, at(f64::from(second)));
    }
    assert!(matches!(breaker.phase(at(3.0)), Phase::Tripped(_)));
}

#[test]
fn one_that_hangs_is_tripped_at_once() {
    let breaker = breaker();
    assert_eq!(breaker.hung(at(1.0)), Some(Turn::Tripped(Cause::Hung, Duration::from_secs(4))));
    assert_eq!(
        told(&breaker, 1.0),
        "is tripped: it took a request and nothing ran there, tried again in 4 s"
    );
}

#[test]
fn a_server_that_was_away_and_is_back_is_tried_at_once() {
    let breaker = breaker();
    for _ in 0..3 {
        breaker.failed(Failure::Connect, false, at(0.0));
    }
    breaker.is_back(at(1.0));
    assert_eq!((told(&breaker, 1.0).as_str(), breaker.phase(at(1.0))), ("free", Phase::Probation(None)));
    trip(&breaker, 10.0);
    breaker.is_back(at(11.0));
    assert!(matches!(breaker.phase(at(11.0)), Phase::Tripped(_)), "it answers probes, and no requests");
}

#[test]
fn when_all_fall_at_once_it_is_the_router_that_was_cut_off() {
    let all: Vec<_> = (0..3).map(|_| breaker()).collect();
    let fall = |which: &Breaker, now: f64| {
        for _ in 0..3 {
            which.failed(Failure::Connect, false, at(now));
        }
    };
    fall(&all[0], 0.0);
    fall(&all[1], 1.0);
    assert_eq!(suspects_itself(all.iter(), at(1.0)), None, "one still stands");
    fall(&all[2], 2.0);
    assert_eq!(suspects_itself(all.iter(), at(2.0)), Some(3));
    assert!(all.iter().all(|breaker| told(breaker, 2.0) == "free"), "each is tried at once");
    let one = [breaker()];
    fall(&one[0], 0.0);
    assert_eq!(suspects_itself(one.iter(), at(0.0)), None, "a fleet of one proves nothing");
    let slow: Vec<_> = (0..2).map(|_| breaker()).collect();
    fall(&slow[0], 0.0);
    fall(&slow[1], 11.0);
    assert_eq!(suspects_itself(slow.iter(), at(11.0)), None, "one after the other");
    let broken: Vec<_> = (0..2).map(|_| breaker()).collect();
    assert!(broken.iter().all(|breaker| trip(breaker, 0.0).is_some()));
    assert_eq!(
        suspects_itself(broken.iter(), at(0.0)),
        None,
        "errors that were answered came over the network"
    );
}
