//! A folder of one test alone, gone with it, and what stands in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use herdwick_fleet::{BackendKind, ModelName, NodeId, Origin, Remembered, RememberedServer, Source};
use herdwick_store::{Opened, Store};

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
pub(crate) fn node(name: &str) -> Remembered {
    let server = |port, kind, host: &str, there, slots| RememberedServer {
        port,
        kind,
        origin: Origin { host: host.to_owned(), port: there },
        slots,
    };
    Remembered {
        node: NodeId::from_origin(name),
        name: name.to_owned(),
        is_renamed: true,
        source: Source::Found,
        agent: Some("herdwick 0.1.0".to_owned()),
        servers: vec![
            server(8080, BackendKind::LlamaCpp, "fe80::1", 8080, None),
            server(11434, BackendKind::Ollama, "10.0.0.5", 11436, Some(4)),
        ],
        labels: BTreeMap::from([("room".to_owned(), "Büro".to_owned())]),
        drained: true,
        pins: [ModelName::parse("qwen3:8b").expect("a name")].into(),
    }
}

/// What is remembered, without its times, by name.
pub(crate) fn nodes(opened: &Opened) -> Vec<Remembered> {
    let mut nodes: Vec<_> = opened.records.iter().map(|record| record.node.clone()).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}
