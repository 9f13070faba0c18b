//! Compiled plugins on disk, so that the next start takes microseconds. Knows bytes and files, not wasmtime.
//!
//! An entry is native code that will run with the router's rights, so who can write one is who can do anything
//! the router can. Hence the rules: the directory is ours alone (mode 0700, owned by us, no symbolic link), or it
//! is not used; an entry is written beside its place and renamed into it, and never changed afterwards; its name
//! holds the key and a SHA-256 over key and content, which is checked before every use. The digest is there for
//! failing disks, full ones and half-restored backups. It is no defence against somebody who can write into the
//! directory, who could compute it too: that is what the mode is for.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::package::Digest;

/// Entries that are kept. A router has a dozen plugins, and each edit of one makes an entry.
const ENTRIES: usize = 64;
const EXTENSION: &str = "cwasm";
/// What a write that was cut off leaves behind begins so.
const TEMPORARY: &str = ".writing-";
/// After this long nobody is still writing.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// A directory of compiled plugins.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    /// Keeps the names of files that are being written apart.
    writes: AtomicU64,
}

/// What an entry was made from: the plugin's digest and everything else that decides how it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new(plugin: Digest, compiler: Digest) -> Self {
        Self(format!("{plugin}-{compiler:.16}"))
    }
}

impl Cache {
    /// Opens the directory, creating it if need be.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, String> {
        create(&directory).map_err(|error| format!("cannot be created ({error})"))?;
        let found = fs::symlink_metadata(&directory).map_err(|error| format!("cannot be read ({error})"))?;
        if !found.is_dir() {
            return Err("is no directory, or a symbolic link to one; give the directory itself".to_owned());
        }
        ours_alone(&found)?;
        Ok(Self { directory, writes: AtomicU64::new(0) })
    }

    /// The entry of this key, if there is a sound one.
    pub(crate) fn find(&self, key: &Key) -> Option<PathBuf> {
        for path in self.entries_of(key) {
            match sound(&path, key) {
                Ok(()) => return Some(path),
                Err(problem) => {
                    tracing::warn!(entry = %path.display(), "a compiled plugin is thrown away: {problem}");
                    self.discard(&path);
                }
            }
        }
        None
    }

    /// Stores what was compiled and says where.
    pub(crate) fn put(&self, key: &Key, artifact: &[u8]) -> io::Result<PathBuf> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        let place = self.directory.join(file_name(key, checksum(key, artifact)));
        let written = write_new(&temporary, artifact).and_then(|()| fs::rename(&temporary, &place));
        if let Err(error) = written {
            // What cannot be removed is swept away later.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        self.sweep();
        Ok(place)
    }

    /// Removes an entry that turned out to be of no use.
    pub(crate) fn discard(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(entry = %path.display(), "a compiled plugin cannot be removed: {error}");
        }
    }

    fn entries_of(&self, key: &Key) -> Vec<PathBuf> {
        let begins = format!("{}-", key.0);
        let named = |path: &PathBuf| {
            let name = path.file_name().and_then(OsStr::to_str);
            name.is_some_and(|name| name.starts_with(&begins) && is_entry(path))
        };
        self.files().into_iter().filter(named).collect()
    }

    /// Removes the entries that were not used for longest, and what writes left behind that were cut off.
    fn sweep(&self) {
        let age = |path: &PathBuf| fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
        let (entries, others): (Vec<_>, Vec<_>) = self.files().into_iter().partition(|path| is_entry(path));
        let mut entries: Vec<_> = entries.into_iter().map(|path| (age(&path), path)).collect();
        entries.sort();
        let surplus = entries.len().saturating_sub(ENTRIES);
        for (_, path) in entries.iter().take(surplus) {
            self.discard(path);
        }
        for path in others {
            let is_ours =
                path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(TEMPORARY));
            let elapsed = age(&path).and_then(|then| then.elapsed().ok());
            if is_ours && elapsed.is_some_and(|elapsed| elapsed > ABANDONED) {
                self.discard(&path);
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        // A directory that cannot be listed has no entries; the write that follows says why.
        let Ok(listing) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        listing.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
    }
}

fn is_entry(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

fn file_name(key: &Key, checksum: Digest) -> String {
    format!("{}-{checksum}.{EXTENSION}", key.0)
}

fn checksum(key: &Key, artifact: &[u8]) -> Digest {
    Digest::of_parts(&[key.0.as_bytes(), artifact])
}

/// Whether an entry is what was written. A used entry becomes the youngest.
fn sound(path: &Path, key: &Key) -> Result<(), String> {
    let found = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no file".to_owned());
    }
    ours_alone(&found)?;
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let mut hash = Sha256::new();
    hash.update(key.0.as_bytes());
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).map_err(|error| error.to_string())?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        hash.update(part);
    }
    let named = file_name(key, Digest::from(hash));
    if path.file_name() != Some(OsStr::new(&named)) {
        return Err("its content is not what was written".to_owned());
    }
    // Without it the entry only looks older than it is.
    let _ = file.set_modified(SystemTime::now());
    Ok(())
}

#[cfg(unix)]
fn create(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn create(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(unix)]
fn ours_alone(found: &fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("belongs to another user (uid {})", found.uid()));
    }
    // Who may read it does no harm; one rule is simpler to keep, and a directory that we made satisfies it.
    if found.mode() & 0o077 != 0 {
        return Err(format!("is open to others (mode {:o}); `chmod go-rwx` it", found.mode() & 0o777));
    }
    Ok(())
}

/// Elsewhere, a user's own cache directory is closed to others by the system.
#[cfg(not(unix))]
fn ours_alone(_: &fs::Metadata) -> Result<(), String> {
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
