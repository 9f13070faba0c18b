//! Compiled plugins on disk: used while they are sound and the directory is ours alone, never otherwise.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use guests::Signal;
use herdwick_plugin_host::Loader;
use herdwick_plugin_host::config::PluginsConfig;

use super::file;

/// A directory of the test's own, which does not exist yet.
pub(crate) fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

/// Loads `guests` with a new loader, as a new process would.
fn start(cache: &Path, guests: &[Signal<'_>]) {
    let loader = Loader::new(Some(cache.to_owned())).expect("an engine");
    for guest in guests {
        assert!(loader.load(&file(guest), &PluginsConfig::default()).is_ok(), "{} loads", guest.name);
    }
}

/// The entries with what tells a file from its successor of the same name.
fn entries(cache: &Path) -> Vec<(PathBuf, u64)> {
    let listing = fs::read_dir(cache).map(|listing| listing.map(|entry| entry.expect("it is listed").path()));
    let mut all: Vec<_> = listing.map(Iterator::collect).unwrap_or_default();
    all.sort();
    let with_inode = |path: PathBuf| {
        let inode = fs::symlink_metadata(&path).expect("it is there").ino();
        (path, inode)
    };
    all.into_iter().map(with_inode).collect()
}

#[test]
fn what_was_compiled_is_used_again() {
    let cache = fresh("used-again");
    start(&cache, &[Signal::default()]);
    let first = entries(&cache);
    assert_eq!(first.len(), 1);
    assert_eq!(fs::metadata(&cache).expect("it is there").mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&first[0].0).expect("it is there").mode() & 0o777, 0o600);
    start(&cache, &[Signal::default()]);
    assert_eq!(entries(&cache), first, "the entry is the same file");
    start(&cache, &[Signal { name: "another", ..Signal::default() }]);
    assert_eq!(entries(&cache).len(), 2);
}

#[test]
fn an_entry_that_is_not_what_was_written_is_compiled_anew() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 5] = [
        ("flipped", |entry| {
            let mut bytes = fs::read(entry).expect("it is there");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(entry, bytes).expect("it is ours");
        }),
        ("truncated", |entry| {
            let bytes = fs::read(entry).expect("it is there");
            fs::write(entry, &bytes[..bytes.len() / 2]).expect("it is ours");
        }),
        ("empty", |entry| fs::write(entry, b"").expect("it is ours")),
        ("open to others", |entry| {
            fs::set_permissions(entry, fs::Permissions::from_mode(0o666)).expect("it is ours");
        }),
        ("a link", |entry| {
            let elsewhere = entry.with_extension("elsewhere");
            fs::rename(entry, &elsewhere).expect("it is ours");
            std::os::unix::fs::symlink(&elsewhere, entry).expect("it is ours");
        }),
    ];
    for (harm, inflict) in harms {
        let cache = fresh(&format!("harmed-{}", harm.replace(' ', "-")));
        start(&cache, &[Signal::default()]);
        let first = entries(&cache).remove(0);
        inflict(&first.0);
        let harmed = fs::symlink_metadata(&first.0).expect("it is there").ino();
        start(&cache, &[Signal::default()]);
        let now =
            fs::symlink_metadata(&first.0).unwrap_or_else(|_| panic!("{harm}: there is an entry again"));
        assert!(now.is_file() && now.mode() & 0o777 == 0o600, "{harm}");
        assert!(now.ino() != harmed || now.len() > 0, "{harm}");
        start(&cache, &[Signal::default()]);
    }
}

#[test]
fn an_entry_of_another_plugin_under_this_ones_name_is_not_used() {
    let cache = fresh("swapped");
    start(&cache, &[Signal::default()]);
    let first = entries(&cache).remove(0).0;
    start(&cache, &[Signal { name: "another", ..Signal::default() }]);
    let second = entries(&cache).into_iter().map(|entry| entry.0).find(|path| *path != first);
    fs::copy(second.expect("two entries"), &first).expect("it is ours");
    let guest = Signal::default();
    let loader = Loader::new(Some(cache)).expect("an engine");
    let loaded = loader.load(&file(&guest), &PluginsConfig::default()).expect("it loads");
    assert_eq!(loaded.id().as_str(), "guest");
}

#[test]
fn a_directory_that_is_not_ours_alone_is_not_used() {
    let open = fresh("open");
    fs::create_dir(&open).expect("the parent is there");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o770)).expect("it is ours");
    start(&open, &[Signal::default()]);
    assert_eq!(entries(&open), []);

    let target = fresh("target");
    fs::create_dir(&target).expect("the parent is there");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let link = fresh("link");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&target, &link).expect("the parent is there");
    start(&link, &[Signal::default()]);
    assert_eq!(entries(&target), []);

    let taken = fresh("taken");
    fs::write(&taken, b"a file").expect("the parent is there");
    start(&taken, &[Signal::default()]);
    assert_eq!(fs::read(&taken).expect("it is there"), b"a file");
}

#[test]
fn the_oldest_entries_make_room_and_other_peoples_files_stay() {
    let cache = fresh("full");
    start(&cache, &[Signal::default()]);
    let mine = entries(&cache).remove(0).0;
    for index in 0..70 {
        let path = cache.join(format!("{index}.cwasm"));
        fs::write(&path, b"old").expect("it is ours");
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(index);
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(old))
            .expect("it is ours");
    }
    fs::write(cache.join("notes.txt"), b"mine").expect("it is ours");
    start(&cache, &[Signal { name: "another", ..Signal::default() }]);
    let left = entries(&cache);
    assert_eq!(left.len(), 65, "64 entries and the notes");
    let has = |path: &Path| left.iter().any(|entry| entry.0 == path);
    assert!(has(&mine) && has(&cache.join("69.cwasm")) && !has(&cache.join("0.cwasm")));
    assert!(has(&cache.join("notes.txt")));
}
