//! What the matrix says of each candidate.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::{Claim, Column, Field, Matrix, Model, Moment, Snapshot};

use super::{Scene, occupy, profile};

fn read(snapshot: &Snapshot, column: Column, now: Moment) -> Vec<f64> {
    let profile = profile(0);
    let field = Field::survey(&profile, snapshot, &[], Moment(0));
    let columns: Arc<[Column]> = [column].into();
    let matrix = Matrix::fill(columns, &field.candidates, &profile, snapshot, now);
    matrix.iter().map(|(_, values)| values[0]).collect()
}

#[test]
fn residency_load_and_copies_are_known_per_candidate() {
    let snapshot = Scene::default().node("hot", true, 2).node("cold", false, 2).snapshot();
    for (column, values) in [
        (Column::ModelState, [4.0, 1.0]),
        // What is in memory was read, so a reload reads the page cache.
        (Column::ModelLoad, [500.0, 2_000.0]),
        (Column::Decode, [50.0, 50.0]),
        (Column::RateSamples, [0.0, 0.0]),
        (Column::CopyElsewhere, [0.0, 1.0]),
        (Column::ResidentContext, [4096.0, f64::NAN]),
        (Column::ModelBytes, [3e9, 3e9]),
        (Column::QueueWaiting, [0.0, 0.0]),
        (Column::Battery, [f64::NAN, f64::NAN]),
    ] {
        let found = read(&snapshot, column, Moment(0));
        let same = found.iter().zip(values).all(|(a, b)| *a == b || (a.is_nan() && b.is_nan()));
        assert!(same && found.len() == 2, "{column}: {found:?}");
    }
}

#[test]
fn of_a_model_whose_size_nobody_tells_no_speed_is_concluded() {
    let mut scene = Scene::default().node("a", true, 8);
    let snapshot = scene.snapshot();
    let name = profile(0).model;
    let (_, holding) = snapshot.holders(&name).next().expect("a holder");
    let unsized_one = Model { bytes: 0, ..(*holding.model).clone() };
    scene.tell("a", Claim::Models(vec![unsized_one]));
    for column in [Column::ModelBytes, Column::Decode, Column::Prefill] {
        assert!(read(&scene.snapshot(), column, Moment(0))[0].is_nan(), "{column}");
    }
}

#[test]
fn stale_residency_is_unknown() {
    let snapshot = Scene::default().node("hot", true, 2).snapshot();
    assert!(read(&snapshot, Column::ModelState, Moment(6_001))[0].is_nan());
    assert!(read(&snapshot, Column::ModelLoad, Moment(6_001))[0].is_nan());
    assert_eq!(read(&snapshot, Column::CopyElsewhere, Moment(6_001)), [0.0]);
}

#[test]
fn running_work_shows_at_once() {
    let snapshot = Scene::default().node("a", true, 4).snapshot();
    let held = occupy(&snapshot, "a", 3);
    assert_eq!(read(&snapshot, Column::SlotsFree, Moment(0)), [1.0]);
    assert_eq!(read(&snapshot, Column::SameCount, Moment(0)), [3.0]);
    assert_eq!(read(&snapshot, Column::OtherCount, Moment(0)), [0.0]);
    drop(held);
    assert_eq!(read(&snapshot, Column::SlotsFree, Moment(0)), [4.0]);
}

#[test]
fn what_is_told_outranks_what_is_concluded_until_it_is_stale() {
    let mut scene = Scene::default().node("a", true, 4).node("b", false, 1);
    let told = vec![
        (Column::MemTotal, 64e9),
        (Column::Decode, 31.0),
        (Column::Thermal, 2.0),
        (Column::Battery, f64::NAN),
    ];
    scene.tell("a", Claim::Readings(told, Duration::from_secs(3)));
    let snapshot = scene.snapshot();
    for (column, at, values) in [
        (Column::MemTotal, 3_000, [64e9, f64::NAN]),
        (Column::MemTotal, 3_001, [f64::NAN, f64::NAN]),
        (Column::Decode, 3_000, [31.0, 50.0]),
        (Column::Decode, 3_001, [50.0, 50.0]),
        (Column::Thermal, 0, [2.0, f64::NAN]),
        (Column::Battery, 0, [f64::NAN, f64::NAN]),
        (Column::MemEvictable, 0, [7.0, 0.0]),
    ] {
        let found = read(&snapshot, column, Moment(at));
        let same = found.iter().zip(values).all(|(a, b)| *a == b || (a.is_nan() && b.is_nan()));
        assert!(same, "{column} at {at}: {found:?}");
    }
    let held = occupy(&snapshot, "a", 1);
    assert_eq!(read(&snapshot, Column::MemEvictable, Moment(0)), [0.0, 0.0], "who is in use stays");
    drop(held);
}
