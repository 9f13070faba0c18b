//! The scheduler's rules, with time as a number.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Entry, Floor, MAX_PENDING, Step, TicketId, Want};
use crate::keep_alive::KeepAlive;

fn want(model: &str) -> Want {
    Want { model: Arc::from(model), context: 4096, keep_alive: None, load: Duration::ZERO }
}

fn floor(max_loaded: u32, residents: &[&str], now: Instant) -> Floor {
    Floor::new(1, max_loaded, residents.iter().map(|model| (Arc::from(*model), 4096)).collect(), now)
}

fn queued(floor: &mut Floor, want: &Want, now: Instant) -> TicketId {
    match floor.enter(want, now) {
        Some(Entry::Queued(ticket)) => ticket,
        Some(Entry::Hot(_)) => panic!("{} was hot", want.model),
        None => panic!("the queue was full"),
    }
}

fn resident(floor: &mut Floor, now: Instant) -> Vec<String> {
    let mut names: Vec<String> = floor.residents(now).iter().map(|r| r.model.to_string()).collect();
    names.sort();
    names
}

#[test]
fn the_least_recently_used_idle_model_makes_room() {
    let now = Instant::now();
    let mut floor = floor(2, &["a", "b"], now);
    // b is used first, a last, and a is idle again: b is the victim.
    for model in ["b", "a"] {
        assert!(matches!(floor.enter(&want(model), now), Some(Entry::Hot(_))));
        floor.release(model, now);
    }
    let ticket = queued(&mut floor, &want("c"), now);
    assert!(matches!(floor.step(ticket, &want("c"), now), Step::Load));
    assert!(matches!(floor.loaded(ticket, &want("c"), now), Step::Granted { thrashed: false, .. }));
    assert_eq!(resident(&mut floor, now), ["a", "c"]);
    assert_eq!(floor.stats().models["b"].evictions, 1);
}

#[test]
fn a_busy_model_is_waited_for() {
    let now = Instant::now();
    let mut floor = floor(1, &["a"], now);
    assert!(matches!(floor.enter(&want("a"), now), Some(Entry::Hot(_))));
    let ticket = queued(&mut floor, &want("b"), now);
    assert!(matches!(floor.step(ticket, &want("b"), now), Step::Wait));
    // Hot requests go on passing by, as in Ollama.
    assert!(matches!(floor.enter(&want("a"), now), Some(Entry::Hot(_))));
    floor.release("a", now);
    assert!(matches!(floor.step(ticket, &want("b"), now), Step::Wait));
    floor.release("a", now);
    assert!(matches!(floor.step(ticket, &want("b"), now), Step::Load));
}

#[test]
fn one_load_at_a_time_in_order_and_shared() {
    let now = Instant::now();
    let mut floor = floor(3, &[], now);
    let (a, b, again) = (want("a"), want("b"), want("a"));
    let tickets = [&a, &b, &again].map(|want| queued(&mut floor, want, now));
    assert!(matches!(floor.step(tickets[1], &b, now), Step::Wait));
    assert!(matches!(floor.step(tickets[0], &a, now), Step::Load));
    assert!(matches!(floor.step(tickets[1], &b, now), Step::Wait));
    assert!(matches!(floor.loaded(tickets[0], &a, now), Step::Granted { .. }));
    assert!(matches!(floor.step(tickets[2], &again, now), Step::Granted { .. }), "it shares the load");
    assert!(matches!(floor.step(tickets[1], &b, now), Step::Load));
    assert_eq!(floor.stats().models["a"].loads, 1);
}

#[test]
fn a_load_dies_with_its_request_and_the_next_begins_anew() {
    let now = Instant::now();
    let mut floor = floor(3, &[], now);
    let (first, second) = (queued(&mut floor, &want("a"), now), queued(&mut floor, &want("a"), now));
    assert!(matches!(floor.step(first, &want("a"), now), Step::Load));
    assert!(matches!(floor.step(second, &want("a"), now), Step::Wait));
    floor.leave(first);
    assert!(matches!(floor.step(second, &want("a"), now), Step::Load));
    assert_eq!(floor.stats().models["a"].aborted_loads, 1);
}

#[test]
fn other_options_reload_an_idle_model_and_wait_for_a_busy_one() {
    let now = Instant::now();
    let mut floor = floor(3, &["a"], now);
    let wide = Want { context: 8192, ..want("a") };
    let ticket = queued(&mut floor, &wide, now);
    assert!(matches!(floor.step(ticket, &wide, now), Step::Load), "idle: reload");
    assert!(matches!(floor.loaded(ticket, &wide, now), Step::Granted { .. }));
    assert_eq!(floor.stats().models["a"].option_switches, 1);

    let ticket = queued(&mut floor, &want("a"), now);
    assert!(matches!(floor.step(ticket, &want("a"), now), Step::Wait), "busy: wait");
    assert_eq!(floor.stats().models["a"].thrash, 1);
    floor.release("a", now);
    assert!(matches!(floor.step(ticket, &want("a"), now), Step::Load));
    assert!(matches!(floor.loaded(ticket, &want("a"), now), Step::Granted { thrashed: true, .. }));
}

#[test]
fn the_thrash_verb_jams_until_it_is_taken_back() {
    let now = Instant::now();
    let mut floor = floor(3, &["a"], now);
    floor.set_thrash_jams(true);
    assert!(matches!(floor.enter(&want("a"), now), Some(Entry::Hot(_))));
    let wide = Want { context: 8192, ..want("a") };
    let ticket = queued(&mut floor, &wide, now);
    assert!(matches!(floor.step(ticket, &wide, now), Step::Wait));
    floor.release("a", now);
    assert!(matches!(floor.step(ticket, &wide, now), Step::Wait), "idle, and still nothing");
    assert!(matches!(floor.enter(&want("a"), now), Some(Entry::Hot(_))), "hot goes on");
    assert!(floor.stats().jammed);
}

#[test]
fn keep_alive_is_per_model_and_the_last_word_counts() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let mut floor = floor(3, &["a", "b", "c"], now);
    let keep = |model, keep_alive| Want { keep_alive: Some(keep_alive), ..want(model) };
    for want in [keep("a", KeepAlive::Forever), keep("b", KeepAlive::For(Duration::from_secs(10)))] {
        assert!(matches!(floor.enter(&want, now), Some(Entry::Hot(_))));
    }
    floor.release("a", now);
    assert_eq!(resident(&mut floor, at(299)), ["a", "b", "c"], "b is busy, c has five minutes");
    floor.release("b", at(299));
    assert_eq!(resident(&mut floor, at(300)), ["a", "b"]);
    assert_eq!(resident(&mut floor, at(309)), ["a"]);
    let remaining: Vec<_> = floor.residents(at(400)).iter().map(|r| r.remaining).collect();
    assert_eq!(remaining, [None]);
    floor.unload("a");
    assert!(resident(&mut floor, at(400)).is_empty());
}

#[test]
fn keep_alive_zero_survives_its_own_load_only() {
    let now = Instant::now();
    let mut floor = floor(3, &[], now);
    let brief = Want { keep_alive: Some(KeepAlive::For(Duration::ZERO)), ..want("a") };
    let ticket = queued(&mut floor, &brief, now);
    assert!(matches!(floor.step(ticket, &brief, now), Step::Load));
    assert!(matches!(floor.loaded(ticket, &brief, now), Step::Granted { .. }));
    assert_eq!(resident(&mut floor, now), ["a"]);
    floor.release("a", now);
    assert!(resident(&mut floor, now).is_empty());
}

#[test]
fn only_the_queue_for_loads_is_bounded() {
    let now = Instant::now();
    let mut floor = floor(3, &["hot"], now);
    for _ in 0..MAX_PENDING {
        queued(&mut floor, &want("cold"), now);
        assert!(matches!(floor.enter(&want("hot"), now), Some(Entry::Hot(_))));
    }
    assert!(floor.enter(&want("cold"), now).is_none());
    assert!(matches!(floor.enter(&want("hot"), now), Some(Entry::Hot(_))));
}
