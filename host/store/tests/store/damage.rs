//! Files that cannot be believed, are not ours, or are had by somebody else.

use std::fs;
use std::path::Path;

use herdwick_store::{Store, StoreError};
use rusqlite::Connection;

use crate::scratch::{Scratch, node, nodes};

/// A folder in which one machine is remembered.
fn used(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.open().store.keep(node("a"));
    scratch
}

fn change(file: &Path, sql: &str) {
    Connection::open(file).and_then(|connection| connection.execute_batch(sql)).expect("it can be changed");
}

#[test]
fn a_broken_file_is_set_aside_and_begun_anew() {
    for (name, damage) in [
        (
            "noise",
            &(|file: &Path| fs::write(file, "no database at all, and longer than a header").unwrap())
                as &dyn Fn(&Path),
        ),
        ("half", &|file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("zeros", &|file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[4_096..].fill(0);
            fs::write(file, bytes).unwrap();
        }),
        ("no-source", &|file| {
            change(file, "PRAGMA ignore_check_constraints = 1; UPDATE nodes SET source = 'dreamt'");
        }),
        ("no-table", &|file| change(file, "DROP TABLE drains")),
        ("no-lessons", &|file| change(file, "DROP TABLE lessons")),
    ] {
        let scratch = used(name);
        damage(&scratch.file());
        let damaged = fs::read(scratch.file()).expect("it is there");
        let opened = scratch.open();
        assert!(opened.records.is_empty(), "{name}");
        let warning = opened.warning.unwrap_or_else(|| panic!("{name}: nothing is said"));
        let aside = scratch.names().into_iter().find(|name| name.starts_with("state.db.broken-2"));
        let aside = aside.unwrap_or_else(|| panic!("{name}: {:?}", scratch.names()));
        assert!(warning.contains("is broken (") && warning.contains(&aside), "{name}: {warning}");
        assert_eq!(fs::read(scratch.path().join(aside)).expect("it is kept"), damaged, "{name}: as it was");
        opened.store.keep(node("b"));
        drop(opened.store);
        let opened = scratch.open();
        assert_eq!((nodes(&opened), &opened.warning), (vec![node("b")], &None), "{name}");
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_not_touched() {
    let scratch = used("newer");
    // As a newer version leaves it that was killed: a part of it is still in the log.
    let connection = Connection::open(scratch.file()).expect("it is there");
    connection.execute_batch("PRAGMA user_version = 99; CREATE TABLE later (x)").expect("it can be changed");
    let log = scratch.path().join("state.db-wal");
    let kept = (fs::read(scratch.file()).unwrap(), fs::read(&log).unwrap());
    drop(connection);
    fs::write(scratch.file(), &kept.0).unwrap();
    fs::write(&log, &kept.1).unwrap();

    let error = Store::open(scratch.path()).expect_err("it is newer");
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("written by a newer herdwick"), "{error}");
    let why = std::error::Error::source(&error).expect("a cause").to_string();
    assert_eq!(why, "it is of version 99, and this program knows versions up to 3");
    assert_eq!((fs::read(scratch.file()).unwrap(), fs::read(&log).unwrap()), kept);
    assert!(!scratch.names().iter().any(|name| name.contains("broken")), "{:?}", scratch.names());
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    let scratch = Scratch::new("foreign");
    fs::create_dir_all(scratch.path()).unwrap();
    change(&scratch.file(), "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    let before = fs::read(scratch.file()).unwrap();
    assert!(matches!(Store::open(scratch.path()), Err(StoreError::Foreign { .. })));
    assert_eq!(fs::read(scratch.file()).unwrap(), before);
}

#[test]
fn the_second_to_come_is_told_who_has_the_folder_and_gets_it_afterwards() {
    let scratch = Scratch::new("second");
    let first = scratch.open();
    let error = Store::open(scratch.path()).expect_err("somebody has it");
    let StoreError::InUse { process, .. } = &error else { panic!("{error}") };
    #[cfg(unix)]
    assert_eq!(*process, Some(std::process::id()));
    assert!(error.to_string().contains("another herdwick"), "{error} {process:?}");
    drop(first);
    scratch.open();
}

#[test]
fn an_empty_file_is_a_new_one() {
    let scratch = Scratch::new("empty");
    fs::create_dir_all(scratch.path()).unwrap();
    fs::write(scratch.file(), "").unwrap();
    assert_eq!(scratch.open().warning, None);
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let scratch = Scratch::new("no-folder");
    fs::write(scratch.path(), "a file in its place").unwrap();
    let below = scratch.path().join("state");
    let error = Store::open(&below).expect_err("no folder can be there");
    assert!(matches!(error, StoreError::Folder { .. }), "{error}");
    fs::remove_file(scratch.path()).unwrap();
}

#[test]
#[cfg(unix)]
fn folder_and_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = Scratch::new("private");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let inner = scratch.path().join("a/b");
    let opened = Store::open(&inner).expect("it opens");
    opened.store.keep(node("a"));
    drop(opened);
    let opened = Store::open(&inner).expect("it opens");
    opened.store.keep(node("b"));
    let (tell, told) = std::sync::mpsc::channel();
    opened.store.written(move |result| tell.send(result).unwrap());
    told.recv().unwrap().expect("it is written");
    assert_eq!((mode(&inner), mode(inner.parent().unwrap())), (0o700, 0o700));
    for file in ["state.db", "state.db-wal", "state.db-shm", "router.lock"] {
        assert_eq!(mode(&inner.join(file)), 0o600, "{file}");
    }
    drop(opened);
    // As a careless copy leaves it.
    fs::set_permissions(inner.join("state.db"), fs::Permissions::from_mode(0o644)).unwrap();
    Store::open(&inner).expect("it opens");
    assert_eq!(mode(&inner.join("state.db")), 0o600);
}
