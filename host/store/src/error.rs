//! Why what is remembered cannot be had. Whoever starts the program decides whether it goes on without.

use std::io;
use std::path::PathBuf;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("the state folder {} cannot be used", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another router has the folder.
    #[error("another herdwick{} uses the state folder {}", of(*.process), .folder.display())]
    InUse {
        /// Which folder.
        folder: PathBuf,
        /// The process that has it, where it said so.
        process: Option<u32>,
    },
    /// A newer version wrote the file, which was not touched.
    #[error("{} was written by a newer herdwick", .file.display())]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: TooNew,
    },
    /// The file is a database of another program, which was not touched.
    #[error("{} is a database of another program", .file.display())]
    Foreign {
        /// Which file.
        file: PathBuf,
    },
    /// The file cannot be opened, although it is not broken: no permission, no room, locked.
    #[error("{} cannot be opened", .file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The copy that is made before the file is changed cannot be written; the file was not touched.
    #[error("{} cannot be copied before it is brought up to date", .file.display())]
    Backup {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A broken file cannot be moved out of the way.
    #[error("{} is broken and cannot be set aside", .file.display())]
    SetAside {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that writes cannot start.
    #[error("the thread that writes what is remembered cannot start")]
    Thread(#[source] io::Error),
}

/// Which versions of the file meet.
#[derive(Debug, thiserror::Error)]
#[error("it is of version {has}, and this program knows versions up to {known}")]
pub struct TooNew {
    /// The file's.
    pub has: u32,
    /// The newest that is known here.
    pub known: u32,
}

fn of(process: Option<u32>) -> String {
    process.map_or(String::new(), |process| format!(" (process {process})"))
}
