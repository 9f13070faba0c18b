//! What is told is there at the next start, and nothing else is.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use herdwick_fleet::{Remembered, Source};
use herdwick_store::Store;
use rusqlite::Connection;

use crate::scratch::{Scratch, at, node, nodes};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns when everything is on the disk.
fn written(store: &Store) {
    let (tell, told) = mpsc::channel();
    store.written(move |result| tell.send(result).expect("the test waits"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Ok(())));
}

#[test]
fn everything_about_a_machine_comes_back() {
    let scratch = Scratch::new("everything");
    let least = Remembered {
        is_renamed: false,
        source: Source::Configured,
        agent: None,
        servers: Vec::new(),
        labels: BTreeMap::new(),
        drained: false,
        pins: Default::default(),
        ..node("least")
    };
    let opened = scratch.open();
    assert_eq!((opened.records, opened.warning), (Vec::new(), None));
    let added = Remembered { source: Source::Added, ..node("added") };
    for node in [node("full"), least.clone(), added.clone()] {
        opened.store.keep(node);
    }
    drop(opened.store);
    assert_eq!(nodes(&scratch.open()), [added, node("full"), least]);
}

#[test]
fn the_last_word_on_a_machine_counts() {
    let scratch = Scratch::new("last-word");
    let store = scratch.open().store;
    store.keep(node("a"));
    written(&store);
    let other = Remembered {
        name: "b".to_owned(),
        servers: Vec::new(),
        labels: BTreeMap::from([("rack".to_owned(), "2".to_owned())]),
        drained: false,
        pins: Default::default(),
        ..node("a")
    };
    store.keep(node("a"));
    store.keep(other.clone());
    drop(store);
    assert_eq!(nodes(&scratch.open()), [other]);
}

#[test]
fn what_is_forgotten_is_gone_and_can_come_back() {
    let scratch = Scratch::new("forgotten");
    let store = scratch.open().store;
    store.keep(node("a"));
    store.keep(node("b"));
    store.seen([(node("b").node, at(7))]);
    written(&store);
    store.forget(node("a").node);
    store.forget(node("never seen").node);
    written(&store);
    drop(store);
    assert_eq!(nodes(&scratch.open()), [node("b")]);
    let store = scratch.open().store;
    store.forget(node("b").node);
    written(&store);
    let back = Remembered { labels: BTreeMap::new(), drained: false, ..node("b") };
    store.keep(back.clone());
    drop(store);
    let opened = scratch.open();
    assert_eq!(nodes(&opened), [back], "no label of its former life, nor a drain");
    assert_eq!(opened.records[0].first_seen, None);
}

#[test]
fn the_first_sight_stays_and_the_last_is_written_once_a_minute() {
    let scratch = Scratch::new("seen");
    let store = scratch.open().store;
    let stranger = (node("stranger").node, at(5));
    let seen = |second| store.seen([(node("a").node, at(second)), stranger]);
    seen(999);
    written(&store);
    store.keep(node("a"));
    seen(1_000);
    written(&store);
    let size = || std::fs::metadata(scratch.path().join("state.db-wal")).expect("a log").len();
    let before = size();
    for second in 1_001..1_060 {
        seen(second);
        store.keep(node("a"));
        written(&store);
    }
    assert_eq!(size(), before, "not a byte");
    seen(1_060);
    written(&store);
    assert!(size() > before);
    // A clock that was set back is no reason to forget the time.
    seen(500);
    drop(store);
    let opened = scratch.open();
    let [record] = opened.records.as_slice() else { panic!("{:?}", opened.records) };
    assert_eq!((record.first_seen, record.last_seen), (Some(at(1_000)), Some(at(500))));
}

#[test]
fn a_drain_keeps_its_beginning() {
    let scratch = Scratch::new("drain");
    let store = scratch.open().store;
    let before = SystemTime::now() - Duration::from_secs(1);
    store.keep(node("a"));
    written(&store);
    drop(store);
    let opened = scratch.open();
    let since = opened.records[0].drained_since.expect("it is drained");
    assert!(before < since && since <= SystemTime::now(), "{since:?}");
    opened.store.keep(Remembered { name: "other".to_owned(), ..node("a") });
    drop(opened);
    assert_eq!(scratch.open().records[0].drained_since, Some(since));
    scratch.open().store.keep(Remembered { drained: false, ..node("a") });
    assert_eq!(scratch.open().records[0].drained_since, None);
}

#[test]
fn a_record_that_the_file_refuses_costs_no_other() {
    let scratch = Scratch::new("refused");
    let store = scratch.open().store;
    let nameless = Remembered { name: String::new(), ..node("nameless") };
    for node in [node("a"), nameless, node("z")] {
        store.keep(node);
    }
    written(&store);
    drop(store);
    assert_eq!(nodes(&scratch.open()), [node("a"), node("z")]);
}

#[test]
fn a_thousand_machines_are_written_and_read_in_no_time() {
    let scratch = Scratch::new("thousand");
    let store = scratch.open().store;
    let began = Instant::now();
    for number in 0..1_000 {
        store.keep(node(&format!("node{number}")));
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

#[test]
fn a_write_that_fails_is_told_and_made_up_for() {
    let scratch = Scratch::new("fails");
    let store = scratch.open().store;
    // Another program that does not let go: an operator with a database tool.
    let other = Connection::open(scratch.file()).expect("it is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    store.keep(node("a"));
    let (tell, told) = mpsc::channel();
    store.written(move |result| tell.send(result).expect("the test waits"));
    let error = told.recv_timeout(PATIENCE).expect("an answer").expect_err("somebody else writes");
    assert!(error.contains("locked"), "{error}");
    other.execute_batch("ROLLBACK").expect("it began");
    written(&store);
    drop(store);
    assert_eq!(nodes(&scratch.open()), [node("a")]);
}

#[test]
fn strangers_who_make_up_names_do_not_fill_the_disk() {
    const MOST: usize = 10_000;
    let scratch = Scratch::new("strangers");
    let store = scratch.open().store;
    let stranger = |number: usize| Remembered {
        servers: Vec::new(),
        labels: BTreeMap::new(),
        drained: false,
        pins: Default::default(),
        ..node(&format!("stranger{number}"))
    };
    (0..=MOST).for_each(|number| store.keep(stranger(number)));
    written(&store);
    drop(store);
    let opened = scratch.open();
    assert_eq!(opened.records.len(), MOST, "one found no room");
    opened.store.forget(opened.records[0].node.node);
    written(&opened.store);
    let late = stranger(MOST + 1);
    opened.store.keep(late.clone());
    drop(opened.store);
    let opened = scratch.open();
    assert_eq!(opened.records.len(), MOST);
    assert!(opened.records.iter().any(|record| record.node == late), "there was room again");
}
