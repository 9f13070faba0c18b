//! What was learned outlives lists, pictures and restarts, and decisions read it.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::{
    App, BackendId, Claim, Column, Estimate, Field, Fleet, Hour, Learned, Lesson, Matrix, Moment, Origin,
    Quantity, Shown, Snapshot, Speed, Subject,
};

use super::lan::{self, Lan};
use super::{Scene, name, profile};

fn read(snapshot: &Snapshot, column: Column) -> Vec<f64> {
    let profile = profile(0);
    let field = Field::survey(&profile, snapshot, &[], Moment(0));
    let columns: Arc<[Column]> = [column].into();
    let matrix = Matrix::fill(columns, &field.candidates, &profile, snapshot, Moment(0));
    matrix.iter().map(|(_, values)| values[0]).collect()
}

fn speed(snapshot: &Snapshot, node: &str) -> Arc<Speed> {
    let model = name();
    let mut holders = snapshot.holders(&model);
    let found = holders.find(|(backend, _)| &*backend.node.name == node);
    Arc::clone(&found.expect("a holder").1.live.speed)
}

/// 100 tokens, 20 ms each, after a prompt of 500 that took a second.
fn answer() -> Shown {
    Shown {
        first: Some(Duration::from_millis(1_020)),
        total: Duration::from_millis(3_000),
        frames: 100,
        is_whole: true,
        prompt_bytes: Some(2_000.0),
        prompt_tokens: Some(500),
        answer_tokens: Some(100),
        ..Shown::default()
    }
}

fn teach(snapshot: &Snapshot, node: &str) {
    let speed = speed(snapshot, node);
    (0..5).for_each(|_| _ = speed.learn(&answer(), speed.rates(None), 0, Moment(0)));
}

fn near(found: &[f64], wanted: &[f64]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(got, want)| (got / want - 1.0).abs() < 0.02)
}

#[test]
fn what_an_answer_taught_is_in_the_very_next_decision_also_on_an_older_picture() {
    let snapshot = Scene::default().node("a", true, 2).node("b", true, 2).snapshot();
    assert_eq!(read(&snapshot, Column::RateSamples), [0.0, 0.0]);
    let guess = read(&snapshot, Column::Decode)[0];
    teach(&snapshot, "a");
    assert!(near(&read(&snapshot, Column::Decode), &[50.0, guess]));
    assert!(near(&read(&snapshot, Column::Prefill)[..1], &[500.0]));
    assert_eq!(read(&snapshot, Column::RateSamples), [5.0, 0.0]);
    assert!(
        near(&read(&snapshot, Column::BestOtherDecode), &[guess, 50.0]),
        "each is compared with the other"
    );
    assert!(read(&snapshot, Column::WaitBias).iter().all(|bias| bias.is_nan()));
    speed(&snapshot, "b").learn_wait(Duration::ZERO, Duration::from_secs(1), Moment(0));
    assert_eq!(read(&snapshot, Column::WaitBias)[1], 1_000.0);
}

#[test]
fn a_told_bandwidth_makes_the_guess_and_answers_correct_it() {
    let mut scene = Scene::default().node("a", true, 2);
    scene.tell("a", Claim::Readings(vec![(Column::Bandwidth, 4e11)], Duration::from_secs(3)));
    let snapshot = scene.snapshot();
    // 400 GB/s for a model of 3 GB, taken for one and a half times as fast.
    assert!(near(&read(&snapshot, Column::Decode), &[200.0]));
    teach(&snapshot, "a");
    assert!(near(&read(&snapshot, Column::Decode), &[50.0]));
}

#[test]
fn a_list_that_misses_a_model_forgets_nothing_of_it() {
    let mut scene = Scene::default().node("a", true, 2);
    let snapshot = scene.snapshot();
    teach(&snapshot, "a");
    let model = (*snapshot.holders(&name()).next().expect("a holder").1.model).clone();
    drop(snapshot);
    scene.tell("a", Claim::Models(vec![]));
    scene.tell("a", Claim::Models(vec![model]));
    assert!(near(&read(&scene.snapshot(), Column::Decode), &[50.0]));
}

#[test]
fn what_is_exported_and_put_back_is_the_same_after_a_restart() {
    let mut scene = Scene::default().node("a", true, 2).node("b", true, 2);
    let snapshot = scene.snapshot();
    teach(&snapshot, "a");
    let model = Arc::clone(&snapshot.holders(&name()).next().expect("a holder").1.live.of_model);
    let app = App::new("Chat/1.0");
    model.learn(&app, &answer(), Moment(0));
    let hours = Arc::clone(&snapshot.nodes()[0].live.hours);
    hours.note((Hour::new(9).expect("an hour"), 3), Some(0.25), Moment(0));

    let learned = Arc::clone(scene.fleet.learned());
    let later = Moment(60_000);
    let kept = learned.take_changed(later);
    assert_eq!(learned.export(later), kept, "all of it was new");
    assert!(learned.take_changed(later).is_empty(), "whoever took it has it");
    let of_hour = kept.iter().filter(|lesson| matches!(lesson.what, Quantity::Hour(_)));
    assert_eq!(of_hour.count(), 1);

    let again = Arc::new(Learned::default());
    assert_eq!(again.restore(kept.clone(), Moment(0)), 0, "nothing was refused");
    let mut fleet = Fleet::new(Arc::clone(&again));
    fleet.add("a", Origin { host: "a".into(), port: 11434 }, 2);
    let restored = again.export(Moment(0));
    assert_eq!(restored.len(), kept.len());
    for (was, is) in kept.iter().zip(&restored) {
        assert_eq!((&was.of, was.what, was.estimate.samples), (&is.of, is.what, is.estimate.samples));
        assert!((was.estimate.mean - is.estimate.mean).abs() <= was.estimate.mean.abs() * 1e-5);
        assert_eq!(was.estimate.age, is.estimate.age);
    }
    assert_eq!(again.model(&name()).answer_tokens(&app).round(), 100.0);
}

#[test]
fn what_cannot_be_true_is_not_put_back() {
    let learned = Learned::default();
    let backend = BackendId { node: herdwick_fleet::NodeId::from_origin("http://a:1"), port: 1 };
    let estimate = Estimate { mean: 50.0, variance: 0.0, samples: 3, age: Duration::ZERO };
    let lesson = |of: Subject, what, estimate| Lesson { of, what, estimate };
    let speed = || Subject::Speed { backend, model: name() };
    let machine = || Subject::Machine { node: backend.node };
    let bad = [
        lesson(speed(), Quantity::Decode, Estimate { mean: -1.0, ..estimate }),
        lesson(speed(), Quantity::Decode, Estimate { samples: 0, ..estimate }),
        lesson(speed(), Quantity::AnswerTokens, estimate),
        lesson(machine(), Quantity::Hour(Hour::new(1).expect("an hour")), estimate),
        lesson(machine(), Quantity::Prefill, estimate),
        lesson(Subject::Model { model: name() }, Quantity::Prefill, estimate),
        lesson(Subject::App { app: App::new("a"), model: name() }, Quantity::Decode, estimate),
    ];
    assert_eq!(learned.restore(bad, Moment(0)), 7);
    assert!(learned.export(Moment(0)).is_empty());
}

#[test]
fn what_an_operator_resets_is_unknown_to_the_next_decision() {
    let mut scene = Scene::default().node("a", true, 2).node("b", true, 2);
    let snapshot = scene.snapshot();
    let guess = read(&snapshot, Column::Decode)[0];
    teach(&snapshot, "a");
    teach(&snapshot, "b");
    let (_, of_a) = scene.nodes[0];
    let learned = Arc::clone(scene.fleet.learned());
    let forgotten = learned.forget(|of| matches!(of, Subject::Speed { backend, .. } if *backend == of_a));
    assert_eq!(forgotten, [Subject::Speed { backend: of_a, model: name() }]);
    assert!(
        near(&read(&snapshot, Column::Decode), &[guess, 50.0]),
        "also of the picture that is out already"
    );
    teach(&scene.snapshot(), "a");
    assert!(near(&read(&snapshot, Column::Decode), &[50.0, 50.0]), "it is learned anew");
}

#[test]
fn a_server_that_turns_out_to_be_an_agents_keeps_what_was_learned_of_it() {
    let mut lan = Lan::default();
    let named = lan.list("studio", "10.0.0.5", None);
    lan.find(named, Claim::Version("0.12".into()));
    lan.find(named, Claim::Models(vec![lan::model("m:1b")]));
    teach(&lan.see(), "studio");
    lan.beat(5);
    let id = lan.only().id;
    assert_ne!(id, named, "one server, under its agent's id");
    assert!(near(&read(&lan.see(), Column::Decode), &[50.0]));
    let kept = lan.fleet.learned().take_changed(Moment(0));
    let of = |lesson: &Lesson| lesson.of == Subject::Speed { backend: id, model: name() };
    assert!(
        kept.iter().any(of)
            && kept
                .iter()
                .all(|lesson| !matches!(&lesson.of, Subject::Speed { backend, .. } if *backend == named))
    );
}

#[test]
fn machines_learn_when_they_are_ours_from_what_their_agents_tell() {
    let mut scene = Scene::default().node("a", true, 2).node("b", true, 2);
    let (hour, keeps) = (Hour::new(9).expect("an hour"), Duration::from_secs(7_200));
    scene.tell("a", Claim::Readings(vec![(Column::Meeting, 1.0)], keeps));
    scene.tell("b", Claim::Readings(vec![(Column::CpuBusy, 0.02), (Column::Meeting, 0.0)], keeps));
    for minute in 0..60 {
        scene.fleet.note_hours((hour, minute), Moment(u64::from(minute) * 60_000));
    }
    let snapshot = scene.snapshot();
    assert_eq!(read(&snapshot, Column::HourOfWeek), [9.0, 9.0]);
    let availability = read(&snapshot, Column::Availability);
    assert!(availability[0] < 0.3 && availability[1] > 0.99, "{availability:?}");
    assert!(read(&snapshot, Column::Trend).iter().all(|trend| trend.abs() < 0.3));
    let mut plain = Scene::default().node("c", true, 1);
    plain.fleet.note_hours((hour, 0), Moment(0));
    assert!(
        read(&plain.snapshot(), Column::Availability)[0].is_nan(),
        "of a machine without an agent nobody tells"
    );
}
