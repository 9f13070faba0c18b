//! What is told is there at the next start, and nothing else is.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use herdwick_store::{Record, Source, Store};

use crate::scratch::{Scratch, at, record};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns when everything is on the disk.
fn written(store: &Store) {
    let (tell, told) = mpsc::channel();
    store.written(move |result| tell.send(result).expect("the test waits"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Ok(())));
}

fn again(scratch: &Scratch) -> Vec<Record> {
    let mut records = scratch.open().records;
    records.sort_by(|a, b| a.name.cmp(&b.name));
    records
}

#[test]
fn everything_about_a_machine_comes_back() {
    let scratch = Scratch::new("everything");
    let least = Record {
        key: None,
        is_renamed: false,
        source: Source::Listed,
        agent: None,
        servers: Vec::new(),
        slots: None,
        labels: BTreeMap::new(),
        drained: None,
        first_seen: None,
        last_seen: None,
        ..record("least")
    };
    let opened = scratch.open();
    assert_eq!((opened.records, opened.warning), (Vec::new(), None));
    for record in [record("full"), least.clone(), Record { source: Source::Added, ..record("added") }] {
        opened.store.keep(record);
    }
    drop(opened.store);
    assert_eq!(again(&scratch), [Record { source: Source::Added, ..record("added") }, record("full"), least]);
}

#[test]
fn the_last_word_on_a_machine_counts_and_its_first_sight_stays() {
    let scratch = Scratch::new("last-word");
    let store = scratch.open().store;
    store.keep(record("a"));
    written(&store);
    let other = Record {
        name: "b".to_owned(),
        servers: Vec::new(),
        labels: BTreeMap::from([("rack".to_owned(), "2".to_owned())]),
        drained: None,
        first_seen: Some(at(5_000)),
        last_seen: Some(at(6_000)),
        ..record("a")
    };
    store.keep(other.clone());
    drop(store);
    assert_eq!(again(&scratch), [Record { first_seen: Some(at(10)), ..other }]);
}

#[test]
fn what_is_forgotten_is_gone_and_can_come_back() {
    let scratch = Scratch::new("forgotten");
    let store = scratch.open().store;
    store.keep(record("a"));
    store.keep(record("b"));
    written(&store);
    store.forget(record("a").id);
    store.forget(record("never seen").id);
    written(&store);
    drop(store);
    assert_eq!(again(&scratch), [record("b")]);
    let store = scratch.open().store;
    store.forget(record("b").id);
    store.keep(Record { labels: BTreeMap::new(), drained: None, ..record("b") });
    drop(store);
    let back = again(&scratch);
    assert_eq!(back[0].labels, BTreeMap::new(), "no label of its former life");
    assert_eq!(back[0].drained, None, "nor a drain");
}

#[test]
fn a_machine_that_is_only_seen_again_is_written_once_a_minute() {
    let scratch = Scratch::new("seen");
    let store = scratch.open().store;
    let seen = |second| store.keep(Record { last_seen: Some(at(second)), ..record("a") });
    seen(1_000);
    written(&store);
    let size = || std::fs::metadata(scratch.path().join("state.db-wal")).expect("a log").len();
    let before = size();
    for second in 1_001..1_060 {
        seen(second);
        written(&store);
    }
    assert_eq!(size(), before, "not a byte");
    seen(1_060);
    written(&store);
    assert!(size() > before);
    // A clock that was set back is no reason to forget the time.
    seen(500);
    drop(store);
    assert_eq!(again(&scratch)[0].last_seen, Some(at(500)));
}

#[test]
fn a_record_that_the_file_refuses_costs_no_other() {
    let scratch = Scratch::new("refused");
    let store = scratch.open().store;
    let nameless = Record { name: String::new(), ..record("nameless") };
    for record in [record("a"), nameless, record("z")] {
        store.keep(record);
    }
    written(&store);
    drop(store);
    let names: Vec<_> = again(&scratch).into_iter().map(|record| record.name).collect();
    assert_eq!(names, ["a", "z"]);
}

#[test]
fn a_thousand_machines_are_written_and_read_in_no_time() {
    let scratch = Scratch::new("thousand");
    let store = scratch.open().store;
    let began = Instant::now();
    for number in 0..1_000 {
        store.keep(record(&format!("node{number}")));
    }
    written(&store);
    let wrote = began.elapsed();
    drop(store);
    let began = Instant::now();
    let opened = scratch.open();
    let read = began.elapsed();
    println!("1,000 machines: written in {wrote:?}, opened in {read:?}");
    assert_eq!(opened.records.len(), 1_000);
    assert!(wrote < Duration::from_secs(5) && read < Duration::from_secs(1), "{wrote:?} {read:?}");
}
