//! Opens what is remembered, beside everything else that takes its time at the start, and says what to do where it
//! cannot be had.

use std::path::PathBuf;
use std::thread::JoinHandle;

use herdwick_store::{Opened, Store, StoreError};

use crate::config::Paths;
use crate::failed::Failed;

/// What is remembered, on its way.
pub(crate) struct Opening {
    folder: PathBuf,
    /// Somebody named the folder: then there is no going on without it.
    is_named: bool,
    thread: JoinHandle<Result<Opened, StoreError>>,
}

impl Opening {
    /// Begins. `None` where nothing can be remembered, which is said.
    pub(crate) fn begin(paths: &Paths) -> anyhow::Result<Option<Self>> {
        let Some(folder) = paths.state_dir() else {
            tracing::warn!(
                "nothing will be remembered: no home folder is known here; name a folder with --state-dir DIR"
            );
            return Ok(None);
        };
        let path = folder.clone();
        let thread = std::thread::Builder::new().name("opening".to_owned()).spawn(move || Store::open(&path));
        let thread = thread.map_err(StoreError::Thread).map_err(|error| refused(error, &folder))?;
        Ok(Some(Self { folder, is_named: paths.state_dir_is_named, thread }))
    }

    /// What is remembered. `None` where the router can do without, which is said.
    pub(crate) fn end(self) -> anyhow::Result<Option<Opened>> {
        let Self { folder, is_named, thread } = self;
        let opened = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match opened {
            Ok(opened) => {
                if let Some(warning) = &opened.warning {
                    tracing::warn!("{warning}");
                }
                Ok(Some(opened))
            }
            Err(error @ StoreError::Folder { .. }) if !is_named => {
                let why = std::error::Error::source(&error).map_or(String::new(), |why| format!(": {why}"));
                tracing::warn!(
                    "nothing will be remembered: {error}{why}; name a folder with --state-dir DIR that this user may write"
                );
                Ok(None)
            }
            Err(error) => Err(refused(error, &folder)),
        }
    }
}

/// The error with what to do next.
fn refused(error: StoreError, folder: &std::path::Path) -> anyhow::Error {
    let next = match &error {
        StoreError::InUse { .. } => {
            "use that one (`herdwick status` shows it), or give this one a folder of its own: --state-dir DIR"
                .to_owned()
        }
        StoreError::Newer { .. } => {
            let copies = folder.join("state.db.before-*");
            format!(
                "run the newer version; to go back, move the file away and take the copy that it made of the one before ({}), or begin without: --state-dir DIR",
                copies.display()
            )
        }
        StoreError::Foreign { .. } => "move it away, or choose another folder: --state-dir DIR".to_owned(),
        StoreError::Folder { .. } | StoreError::Open { .. } => {
            "make the folder and what is in it writable for this user, or choose another: --state-dir DIR"
                .to_owned()
        }
        StoreError::Backup { .. } => "make room for a copy beside it, and start again".to_owned(),
        StoreError::SetAside { .. } => "move it away, and start again".to_owned(),
        StoreError::Thread(_) => "let this user start more threads, and start again".to_owned(),
    };
    let what = error.to_string();
    match cause(error) {
        Some(why) => Failed::because(anyhow::anyhow!(why), what, next),
        None => Failed::plainly(what, next),
    }
}

fn cause(error: StoreError) -> Option<String> {
    std::error::Error::source(&error).map(ToString::to_string)
}
