//! What was learned is there at the next start, as old as it is by then, and nothing that was to be forgotten.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use herdwick_fleet::{App, BackendId, Estimate, Hour, Lesson, ModelName, Quantity, Subject};
use herdwick_store::{BenchRun, RunFigure, Store, Weights};
use rusqlite::Connection;

use crate::scratch::{Scratch, at, node};

fn model(name: &str) -> ModelName {
    ModelName::parse(name).expect("a name")
}

fn backend(name: &str) -> BackendId {
    BackendId { node: node(name).node, port: 11434 }
}

fn speed(name: &str) -> Subject {
    Subject::Speed { backend: backend(name), model: model("m") }
}

fn lesson(of: Subject, what: Quantity, mean: f64) -> Lesson {
    let estimate = Estimate { mean, variance: 0.01, samples: 7, age: Duration::from_secs(60) };
    Lesson { of, what, estimate }
}

/// One of every kind.
fn all() -> Vec<Lesson> {
    let hour = Hour::new(9).expect("an hour");
    vec![
        lesson(speed("a"), Quantity::Prefill, 900.0),
        lesson(speed("a"), Quantity::Decode, 45.0),
        lesson(speed("a"), Quantity::WaitBias, -250.0),
        lesson(Subject::Model { model: model("m") }, Quantity::BytesPerToken, 3.5),
        lesson(Subject::Model { model: model("m") }, Quantity::AnswerTokens, 300.0),
        lesson(Subject::App { app: App::new("curl"), model: model("m") }, Quantity::AnswerTokens, 20.0),
        lesson(Subject::App { app: App::default(), model: model("m") }, Quantity::AnswerTokens, 30.0),
        lesson(Subject::Machine { node: node("a").node }, Quantity::Hour(hour), 0.5),
    ]
}

fn written(store: &Store) {
    let (tell, told) = mpsc::channel();
    store.written(move |result| tell.send(result).expect("the test waits"));
    assert_eq!(told.recv_timeout(Duration::from_secs(30)), Ok(Ok(())));
}

/// What is there, by subject and quantity, with the age that a second more or less makes.
fn found(scratch: &Scratch) -> Vec<(Subject, Quantity, f64)> {
    let mut lessons = scratch.open().learnt.lessons;
    lessons.sort_by(|a, b| (&a.of, a.what).cmp(&(&b.of, b.what)));
    lessons.into_iter().map(|lesson| (lesson.of, lesson.what, lesson.estimate.mean)).collect()
}

fn expected(lessons: &[Lesson]) -> Vec<(Subject, Quantity, f64)> {
    let mut all: Vec<_> = lessons.iter().map(|it| (it.of.clone(), it.what, it.estimate.mean)).collect();
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

#[test]
fn every_figure_comes_back_with_its_age() {
    let scratch = Scratch::new("lessons");
    let weights = Weights { backend: backend("a"), model: model("m"), digest: "sha256:1".to_owned() };
    scratch.open().store.learn(all(), [weights.clone()]);
    assert_eq!(found(&scratch), expected(&all()));
    let learnt = scratch.open().learnt;
    assert_eq!(learnt.weights, [weights]);
    for Lesson { estimate, .. } in learnt.lessons {
        assert_eq!((estimate.variance, estimate.samples), (0.01, 7));
        assert!((60..70).contains(&estimate.age.as_secs()), "{estimate:?}");
    }
}

#[test]
fn the_last_word_on_a_figure_counts() {
    let scratch = Scratch::new("lesson-last-word");
    let store = scratch.open().store;
    for mean in [1.0, 2.0, 3.0] {
        store.learn([lesson(speed("a"), Quantity::Decode, mean)], []);
        written(&store);
    }
    drop(store);
    assert_eq!(found(&scratch), [(speed("a"), Quantity::Decode, 3.0)]);
}

#[test]
fn what_is_forgotten_is_gone_and_can_be_learned_again() {
    let scratch = Scratch::new("unlearned");
    let store = scratch.open().store;
    store.learn(all(), []);
    store.unlearn([speed("a")]);
    written(&store);
    store.learn([lesson(speed("a"), Quantity::Decode, 1.0)], []);
    drop(store);
    let left = [&[lesson(speed("a"), Quantity::Decode, 1.0)], &all()[3..]].concat();
    assert_eq!(found(&scratch), expected(&left));
    let store = scratch.open().store;
    store.unlearn([speed("a"), Subject::Model { model: model("m") }]);
    drop(store);
    assert_eq!(found(&scratch), expected(&all()[5..]));
}

#[test]
fn a_machine_of_which_nothing_else_is_remembered_keeps_what_was_learned_of_it() {
    let scratch = Scratch::new("learned-node");
    let store = scratch.open().store;
    store.keep(node("a"));
    store.learn(all(), []);
    written(&store);
    store.forget(node("a").node);
    drop(store);
    assert_eq!(found(&scratch), expected(&all()));
    assert!(scratch.open().records.is_empty());
}

#[test]
fn what_is_too_old_or_no_number_is_left_out_and_costs_nothing_else() {
    let scratch = Scratch::new("lesson-bad");
    let of = |days: u64| {
        let mut old = lesson(speed("a"), Quantity::Prefill, 900.0);
        old.estimate.age = Duration::from_secs(days * 24 * 3_600);
        old
    };
    for bad in [f64::NAN, f64::INFINITY] {
        scratch.open().store.learn([lesson(speed("a"), Quantity::Decode, bad), of(80)], []);
        assert_eq!(found(&scratch), [(speed("a"), Quantity::Prefill, 900.0)]);
    }
    scratch.open().store.learn([of(91)], []);
    assert_eq!(found(&scratch), []);
    let rows: i64 = Connection::open(scratch.file())
        .and_then(|file| file.query_row("SELECT count(*) FROM lessons", [], |row| row.get(0)))
        .expect("a count");
    assert_eq!(rows, 0, "it is not only left out");
}

#[test]
fn figures_of_a_later_version_are_left_alone() {
    let scratch = Scratch::new("lesson-later");
    scratch.open().store.learn([lesson(speed("a"), Quantity::Decode, 45.0)], []);
    let file = Connection::open(scratch.file()).expect("it is there");
    file.execute_batch(
        "INSERT INTO lessons SELECT subject, node, port, model, app, 'watts', mean, variance, samples, learned FROM lessons",
    )
    .expect("another quantity");
    drop(file);
    let opened = scratch.open();
    assert_eq!((opened.learnt.lessons.len(), opened.warning), (1, None));
    drop(opened.store);
    let rows: i64 = Connection::open(scratch.file())
        .and_then(|file| file.query_row("SELECT count(*) FROM lessons", [], |row| row.get(0)))
        .expect("a count");
    assert_eq!(rows, 2);
}

#[test]
fn a_run_comes_with_all_that_it_measured_and_the_oldest_makes_room() {
    const MOST: u64 = 200;
    let run = |number: u64| BenchRun {
        id: format!("run{number:05}"),
        ended: at(1_000 + number),
        node: node("a").node,
        name: "a".to_owned(),
        model: "m:latest".to_owned(),
        is_quick: number.is_multiple_of(2),
        figures: vec![
            RunFigure {
                quantity: "prefill".to_owned(),
                streams: 0,
                measured: 900.0,
                before: None,
                after: Some(1.0),
            },
            RunFigure {
                quantity: "decode".to_owned(),
                streams: 4,
                measured: 45.0,
                before: Some(9.0),
                after: None,
            },
        ],
    };
    let scratch = Scratch::new("runs");
    let store = scratch.open().store;
    store.add_run(run(0), all(), []);
    written(&store);
    let learnt = scratch_after(store, &scratch);
    assert_eq!((learnt.runs, learnt.lessons.len()), (vec![run(0)], all().len()));
    let store = scratch.open().store;
    for number in 1..=MOST {
        store.add_run(run(number), [], []);
    }
    let runs = scratch_after(store, &scratch).runs;
    assert_eq!((runs.len() as u64, &runs[0], &runs[199]), (MOST, &run(MOST), &run(1)));
}

fn scratch_after(store: Store, scratch: &Scratch) -> herdwick_store::Learnt {
    drop(store);
    scratch.open().learnt
}

#[test]
fn a_write_that_fails_loses_nothing_that_was_learned() {
    let scratch = Scratch::new("lesson-fails");
    let store = scratch.open().store;
    let other = Connection::open(scratch.file()).expect("it is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    store.learn(all(), []);
    let (tell, told) = mpsc::channel();
    store.written(move |result| tell.send(result).expect("the test waits"));
    assert!(told.recv_timeout(Duration::from_secs(30)).expect("an answer").is_err());
    store.unlearn([speed("a")]);
    store.learn([lesson(speed("a"), Quantity::Decode, 46.0)], []);
    other.execute_batch("ROLLBACK").expect("it began");
    written(&store);
    drop(store);
    let left = [&[lesson(speed("a"), Quantity::Decode, 46.0)], &all()[3..]].concat();
    assert_eq!(found(&scratch), expected(&left));
}

#[test]
fn what_a_large_fleet_learned_is_written_and_read_in_no_time() {
    let scratch = Scratch::new("lesson-many");
    let store = scratch.open().store;
    let lessons = (0..1_000).flat_map(|machine| {
        let of = move |number: usize| Subject::Speed {
            backend: backend(&format!("n{machine}")),
            model: model(&format!("m{number}")),
        };
        (0..10).flat_map(move |number| {
            [Quantity::Prefill, Quantity::Decode].map(|what| lesson(of(number), what, 45.0))
        })
    });
    let lessons: Vec<_> = lessons.collect();
    let began = SystemTime::now();
    store.learn(lessons.clone(), []);
    written(&store);
    let wrote = began.elapsed().expect("time passes");
    drop(store);
    let began = SystemTime::now();
    let read = scratch.open().learnt.lessons.len();
    let took = began.elapsed().expect("time passes");
    println!("20,000 figures: written in {wrote:?}, opened in {took:?}");
    assert_eq!(read, lessons.len());
    assert!(wrote < Duration::from_secs(10) && took < Duration::from_secs(5), "{wrote:?} {took:?}");
}
