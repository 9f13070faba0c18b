//! Small files below a folder, `/` or a recorded machine: every read is bounded, and a file that is not there, or is
//! gone by the time it is read, is simply no answer.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Bytes of a file that are read. What we look for stands at the beginning; files of `/proc` have no end in sight.
const BYTES: u64 = 64 << 10;
/// Entries of a folder that are looked at. A machine with a thousand processors has not many more.
const ENTRIES: usize = 4_096;

/// Where files are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// Questions to the system, which are what a look costs.
    #[cfg(test)]
    pub(crate) asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Tree {
    /// This machine.
    pub(crate) fn machine() -> Self {
        Self::below("/")
    }

    /// What lies below a folder, as if that were the machine.
    pub(crate) fn below(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            #[cfg(test)]
            asked: std::sync::Arc::default(),
        }
    }

    /// The path of something below it.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        #[cfg(test)]
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.root.join(path)
    }

    /// Whether it is there.
    pub(crate) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// What a file says, as far as it is read.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(path)).ok()?.take(BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What a file of one word says.
    pub(crate) fn word(&self, path: impl AsRef<Path>) -> Option<String> {
        let word = self.read(path)?.trim().to_owned();
        (!word.is_empty()).then_some(word)
    }

    /// What a file of one number says.
    pub(crate) fn number<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.word(path)?.parse().ok()
    }

    /// Names in a folder, sorted; `None` when there is no such folder.
    pub(crate) fn list(&self, path: impl AsRef<Path>) -> Option<Vec<String>> {
        let entries = std::fs::read_dir(self.path(path)).ok()?.flatten().take(ENTRIES);
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Some(names)
    }
}
