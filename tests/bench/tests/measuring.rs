//! The load generator measured against the mock: what it counts is what was asked, and what it waits is what it was
//! made to wait.

#![cfg(test)]

use std::time::Duration;

use herdwick_bench::load::{Slice, percentile_us, requests};
use herdwick_bench::mock::Mock;
use herdwick_bench::stream::streams;

fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn slice(clients: usize) -> Slice {
    Slice { clients, warm_up: Duration::ZERO, span: Duration::from_millis(50) }
}

#[test]
fn every_question_that_counts_was_asked() {
    let mock = Mock::start(2, None).expect("a mock");
    let cpu = std::sync::atomic::AtomicU64::new(0);
    let now = || Ok(Duration::from_secs(cpu.fetch_add(3, std::sync::atomic::Ordering::Relaxed)));
    let taken = in_a_runtime(requests(mock.addresses(), slice(3), now)).expect("a slice");
    let counted = taken.waits.len() as u64;
    // More may have been asked, before the counting began and when it was over; how much, the machine says.
    assert!(counted > 0 && counted <= mock.chats(), "{counted} {}", mock.chats());
    assert_eq!(taken.cpu, Duration::from_secs(3), "read once before and once after");
    assert!(taken.waits.is_sorted() && taken.firsts.is_empty());
}

#[test]
fn lines_are_counted_and_a_stream_takes_its_time() {
    let mock = Mock::start(1, None).expect("a mock");
    mock.streams(5, Duration::from_millis(10));
    let nothing = || Ok(Duration::ZERO);
    let slice = Slice { span: Duration::from_millis(200), ..slice(2) };
    let taken = in_a_runtime(streams(mock.addresses(), &mock, slice, nothing)).expect("a slice");
    let streams = mock.chats() as usize;
    assert!(!taken.waits.is_empty() && taken.waits.len() <= 5 * streams);
    assert!(!taken.firsts.is_empty() && taken.firsts.len() <= streams);
    // Two clients, each with a stream of 40 ms at least in some 200 ms and the one that was under way at the end.
    assert!(streams <= 2 * (taken.span.as_millis() as usize / 40 + 2), "{streams}");
    assert!(percentile_us(&taken.waits, 0.5) > 0.0);
}
