//! A folder of one test alone, gone with it, and what stands in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use herdwick_fleet::NodeId;
use herdwick_store::{Opened, Record, Server, Source, Store};

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// It is not there yet.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("herdwick-store-{}-{name}", std::process::id()));
        // Left by a test that was killed, with the number of another process.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }

    pub(crate) fn open(&self) -> Opened {
        Store::open(&self.0).expect("it opens")
    }

    /// What is in it, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the folder is there").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A machine of which everything is known.
pub(crate) fn record(name: &str) -> Record {
    Record {
        id: NodeId::from_origin(name),
        key: Some([7; 32]),
        name: name.to_owned(),
        is_renamed: true,
        source: Source::Found,
        agent: Some("herdwick".to_owned()),
        servers: vec![
            Server { port: 8080, kind: "llama.cpp".to_owned(), host: "fe80::1".to_owned() },
            Server { port: 11434, kind: "ollama".to_owned(), host: "10.0.0.5".to_owned() },
        ],
        slots: Some(4),
        labels: BTreeMap::from([("room".to_owned(), "Büro".to_owned())]),
        drained: Some(at(1_000)),
        first_seen: Some(at(10)),
        last_seen: Some(at(20)),
    }
}
