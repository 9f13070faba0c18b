//! The state folder: made for its owner alone, and had by one router at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The file whose lock says that a router has the folder. The system lets go of it when the process ends, however it
/// ends.
const LOCK: &str = "router.lock";
/// More digits has no process.
const PROCESS_BYTES: u64 = 16;

/// A folder that is ours for as long as this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held, and never read again. `None` on a file system without locks.
    _lock: Option<File>,
}

impl Folder {
    /// Makes the folder unless it is there, and takes it.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Folder { folder: path.to_owned(), source };
        make(path).map_err(unusable)?;
        let mut file = private().create(true).open(path.join(LOCK)).map_err(unusable)?;
        let lock = match file.try_lock() {
            Ok(()) => {
                sign(&mut file).map_err(unusable)?;
                Some(file)
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { folder: path.to_owned(), process: signed(&mut file) });
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(
                    "{} is on a file system without locks: nothing keeps a second router out of it",
                    path.display()
                );
                None
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        };
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Makes a file that only its owner may read, unless it is there; takes the others' rights if it is.
pub(crate) fn make_private(file: &Path) -> io::Result<()> {
    let file = private().create(true).open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    drop(file);
    Ok(())
}

/// To read and write, for nobody else.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// What we make is for its owner alone. A folder that is there keeps its rights: somebody may have shared it on purpose,
/// and the files in it are private anyway.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Leaves our process's number, for whoever finds the folder taken.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

/// Where locks also keep readers out, nothing is read.
fn signed(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PROCESS_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
