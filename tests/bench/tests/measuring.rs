//! The load generator measured against the mock: what it counts is what was asked, and what it waits is what it was
//! made to wait.

#![cfg(test)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use herdwick_bench::load::{Slice, percentile_us, requests};
use herdwick_bench::mock::Mock;
use herdwick_bench::stream::streams;

/// Long enough for some answers, however busy the machine is.
const SPAN: Duration = Duration::from_millis(300);

fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn slice(clients: usize) -> Slice {
    Slice { clients, warm_up: Duration::ZERO, span: SPAN }
}

#[test]
fn every_question_that_counts_was_asked() {
    let mock = Mock::start(2, None).expect("a mock");
    let cpu = AtomicU64::new(0);
    let spent = || Ok(Duration::from_secs(cpu.fetch_add(3, Relaxed)));
    let taken = in_a_runtime(requests(mock.addresses(), slice(3), spent)).expect("a slice");
    let (counted, asked) = (taken.waits.len() as u64, mock.chats());
    // What was asked before the counting began or ended after it is a small part of all.
    assert!(counted > 0 && counted <= asked && asked <= 2 * counted + 3, "{counted} of {asked}");
    assert_eq!(taken.cpu, Duration::from_secs(3), "read once before and once after");
    assert!(taken.span >= SPAN && taken.waits.is_sorted() && taken.firsts.is_empty());
}

#[test]
fn lines_are_counted_and_a_stream_takes_its_time() {
    let mock = Mock::start(1, None).expect("a mock");
    mock.streams(5, Duration::from_millis(10));
    let began = Instant::now();
    let nothing = || Ok(Duration::ZERO);
    let taken = in_a_runtime(streams(mock.addresses(), &mock, slice(2), nothing)).expect("a slice");
    let streams = mock.chats() as usize;
    assert!(!taken.waits.is_empty() && taken.waits.len() <= 5 * streams);
    assert!(!taken.firsts.is_empty() && taken.firsts.len() <= streams);
    // Each of the two clients listens to one stream after the other, and none is shorter than its four pauses.
    assert!(streams <= 2 * (began.elapsed().as_millis() as usize / 40 + 1), "{streams}");
    assert!(percentile_us(&taken.waits, 0.5) > 0.0);
}

#[test]
fn a_client_that_is_not_answered_spoils_the_slice() {
    let slice = Slice { span: Duration::from_millis(1), ..slice(1) };
    let nothing = || Ok(Duration::ZERO);
    let dead = in_a_runtime(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    });
    let error = in_a_runtime(requests(&[dead], slice, nothing)).expect_err("nobody listens there");
    assert!(format!("{error:#}").contains("cannot connect"), "{error:#}");
}
