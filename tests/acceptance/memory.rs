//! The state folder: had by one router at a time, never touched when it is another version's, and done without where
//! there is none.

use std::fs;
#[cfg(unix)]
use std::path::PathBuf;
#[cfg(unix)]
use std::process::Command as Shell;

use crate::support::{Finished, Router, Scratch, finished_with, nobody};

/// Says where a router finds what must survive; empty, as if it were not set.
const STATE_DIR: &str = "HERDWICK_STATE_DIR";

/// The file as a router left it that was stopped.
#[cfg(unix)]
fn used(scratch: &Scratch) -> PathBuf {
    let router = Router::start(&[silent()], &["--state-dir", scratch.text()]);
    let told = Shell::new("sh").args(["-c", &format!("kill -TERM {}", router.id())]).status();
    assert!(told.is_ok_and(|status| status.success()));
    assert_eq!(router.ended(), Some(0));
    scratch.path().join("state.db")
}

fn silent() -> String {
    format!("http://{}", nobody())
}

/// A start that must fail, with its three lines.
fn refused(state: &str) -> [String; 3] {
    let Finished { code, stdout, stderr } =
        finished_with(&["serve", "--listen", "127.0.0.1:0", "--node", "x:1"], &[(STATE_DIR, state)]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|line| !line.contains("WARN")).map(str::to_owned).collect();
    let count = lines.len();
    lines.try_into().unwrap_or_else(|_| panic!("{count} lines: {stderr}"))
}

#[test]
fn a_second_router_is_told_who_has_the_folder() {
    let scratch = Scratch::new("second");
    let first = Router::start(&[silent()], &["--state-dir", scratch.text()]);
    let told =
        finished_with(&["serve", "--listen", "127.0.0.1:0", "--node", "x:1"], &[(STATE_DIR, scratch.text())]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let expected = format!(
        "error: another herdwick (process {}) uses the state folder {}\nnext:  use that one (`herdwick status` shows it), \
         or give this one a folder of its own: --state-dir DIR\n",
        first.id(),
        scratch.text()
    );
    assert_eq!(told.stderr, expected);
    drop(first);
    Router::start(&[silent()], &["--state-dir", scratch.text()]);
}

#[test]
#[cfg(unix)]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let scratch = Scratch::new("newer");
    let file = used(&scratch);
    assert!(!scratch.path().join("state.db-wal").exists(), "a router that ends in order leaves one file");
    // The number of the version stands at byte 60, as SQLite documents ("user version").
    let mut bytes = fs::read(&file).expect("it is there");
    bytes[60..64].copy_from_slice(&7_u32.to_be_bytes());
    fs::write(&file, &bytes).expect("written");
    let [error, cause, next] = refused(scratch.text());
    assert_eq!(error, format!("error: {} was written by a newer herdwick", file.display()));
    assert_eq!(cause, "cause: it is of version 7, and this program knows versions up to 3");
    assert!(next.starts_with("next:  run the newer version; to go back, "), "{next}");
    assert_eq!(fs::read(&file).expect("it is there"), bytes);
}

#[test]
fn a_broken_file_is_set_aside_and_the_router_serves() {
    let scratch = Scratch::new("broken");
    fs::create_dir_all(scratch.path()).expect("a folder");
    fs::write(scratch.path().join("state.db"), "this is no database; it is long enough to be one")
        .expect("written");
    let (router, log) =
        Router::start_logged(&[silent()], &["--state-dir", scratch.text()], &[("HERDWICK_LOG", "warn")]);
    let told = log.line("state.db is broken (");
    assert!(told.contains("set aside as"), "{told}");
    drop(router);
    assert_eq!(scratch.names().iter().filter(|name| name.contains(".broken-")).count(), 1);
}

#[test]
fn without_a_folder_it_serves_and_says_that_nothing_will_be_remembered() {
    let scratch = Scratch::new("none");
    fs::write(scratch.path(), "a file where a folder should be").expect("written");
    let file = scratch.text();
    for (home, why) in [("", "no home folder is known here"), (file, "cannot be used: Not a directory")] {
        let variables = [(STATE_DIR, ""), ("XDG_STATE_HOME", ""), ("HOME", home)];
        let (router, log) = Router::start_logged(&[silent()], &[], &variables);
        let told = log.line("nothing will be remembered: ");
        assert!(told.contains(why), "{told}");
        drop(router);
    }
    // Whoever names a folder wants it used.
    let [error, cause, next] = refused(&format!("{file}/state"));
    assert_eq!(error, format!("error: the state folder {file}/state cannot be used"));
    assert_eq!(cause, "cause: Not a directory");
    assert!(next.contains("--state-dir DIR"), "{next}");
    fs::remove_file(scratch.path()).expect("our own file");
}
