//! The router's key, in the state folder: what makes it the same router after a restart, to every agent that pinned it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::path::Path;

use herdwick_wire::seal::Identity;

use crate::config::Paths;
use crate::failed::Failed;

/// The file: a seed of [`Identity::SEED`] bytes and nothing else.
const FILE: &str = "router.key";
/// What is said where there is no place for it.
const ONCE: &str = "agents that know this router will not obey the next one";

/// The identity that was kept, or a new one that is kept from now on. Without a folder, and where one that nobody named
/// cannot be used, it holds for this run, which is said.
pub(crate) fn load(paths: &Paths) -> anyhow::Result<Identity> {
    let Some(folder) = paths.state_dir() else {
        tracing::warn!(
            "this router's key holds for this run only: no home folder is known here, and {ONCE}; name a folder with \
             --state-dir DIR"
        );
        return once();
    };
    match keep(&folder) {
        Ok(identity) => Ok(identity),
        Err(Unkept::Folder(why)) if !paths.state_dir_is_named => {
            tracing::warn!(
                "this router's key holds for this run only: {} cannot be used: {why}, and {ONCE}; name a folder with \
                 --state-dir DIR that this user may write",
                folder.display()
            );
            once()
        }
        Err(error) => Err(error.told(&folder)),
    }
}

/// An identity that nobody will meet again.
pub(crate) fn once() -> anyhow::Result<Identity> {
    let seed = random().map_err(|why| Unkept::Random(why).told(Path::new("")))?;
    Ok(Identity::from_seed(&seed))
}

/// Bytes that nobody can guess.
pub(crate) fn random() -> io::Result<[u8; Identity::SEED]> {
    let mut bytes = [0; Identity::SEED];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Why there is no identity.
#[derive(Debug)]
enum Unkept {
    /// The folder cannot be made or written.
    Folder(io::Error),
    /// The file is there and cannot be read.
    Unreadable(io::Error),
    /// The file has so many bytes, and is no key.
    Length(usize),
    /// The system has no randomness.
    Random(io::Error),
}

impl Unkept {
    fn told(self, folder: &Path) -> anyhow::Error {
        let file = folder.join(FILE);
        let file = file.display();
        match self {
            Self::Folder(why) => Failed::because(
                why,
                format!("the router's key cannot be kept in {}", folder.display()),
                "make the folder writable for this user, or choose another: --state-dir DIR",
            ),
            Self::Unreadable(why) => Failed::because(
                why,
                format!("the router's key in {file} cannot be read"),
                "let this user read the file; it is what agents know this router by",
            ),
            Self::Length(bytes) => Failed::plainly(
                format!("{file} is no key: it has {bytes} bytes, and a key has {}", Identity::SEED),
                "put back a copy of it; or remove it, and have every agent forget this router, which will be another one",
            ),
            Self::Random(why) => Failed::because(
                why,
                "no key can be made: the system gives no random numbers",
                "check that this system has /dev/urandom, and start again",
            ),
        }
    }
}

fn keep(folder: &Path) -> Result<Identity, Unkept> {
    let path = folder.join(FILE);
    if let Some(identity) = read(&path)? {
        return Ok(identity);
    }
    let seed = random().map_err(Unkept::Random)?;
    make(&path, &seed).map_err(Unkept::Folder)?;
    // Whoever was first counts, should two have begun at once.
    read(&path)?.ok_or_else(|| Unkept::Folder(io::ErrorKind::NotFound.into()))
}

/// `None` if there is none yet.
fn read(path: &Path) -> Result<Option<Identity>, Unkept> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A file stands where the folder, or one above it, should be.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(Unkept::Folder(error)),
        Err(error) => return Err(Unkept::Unreadable(error)),
    };
    warn_if_open(path);
    let bytes = content.len();
    let seed = content.try_into().map_err(|_| Unkept::Length(bytes))?;
    Ok(Some(Identity::from_seed(&seed)))
}

/// Makes the file whole or not at all, and never over another one.
fn make(path: &Path, seed: &[u8; Identity::SEED]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // Nobody else has that name: it is of the new key.
    let beside = folder.join(format!("{FILE}.{}", Identity::from_seed(seed).public()));
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    let made = file.write_all(seed).and_then(|()| file.sync_all()).and_then(|()| place(&beside, path));
    // Where it was moved there is nothing left to remove.
    let _ = fs::remove_file(&beside);
    made?;
    // A name that is lost with the power would be another router after it.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// A second name fails where there is one already, which moving does not; some file systems have no second names.
fn place(beside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::rename(beside, path),
        Ok(()) => Ok(()),
    }
}

#[cfg(unix)]
fn warn_if_open(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let is_open = |path: &Path| fs::metadata(path).is_ok_and(|known| known.permissions().mode() & 0o077 != 0);
    if is_open(path) {
        let file = path.display();
        tracing::warn!(
            "others may read {file}, and with it speak for this router; take their rights: chmod 600 {file}"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Path) {}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder of this test alone, gone with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("herdwick-identity-{}-{name}", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_router_stays_the_same_and_its_key_is_its_own() {
        let folder = Scratch::new("same");
        let deep = folder.0.join("a/b");
        let first = keep(&deep).unwrap().public();
        assert_eq!(keep(&deep).unwrap().public(), first);
        assert_ne!(once().unwrap().public(), first);
        let names: Vec<_> = fs::read_dir(&deep).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE], "nothing is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&deep), mode(&deep.join(FILE))), (0o700, 0o600));
        }
    }

    #[test]
    fn of_many_that_begin_at_once_all_are_one() {
        let folder = Scratch::new("many");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let begin = |_| scope.spawn(|| keep(&folder.0).unwrap().public());
            let threads: Vec<_> = (0..8).map(begin).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_no_key_that_cannot_be_read() {
        let folder = Scratch::new("file");
        fs::write(&folder.0, "").unwrap();
        let error = keep(&folder.0.join("below")).unwrap_err();
        assert!(matches!(error, Unkept::Folder(_)), "{error:?}");
        fs::remove_file(&folder.0).unwrap();
    }

    #[test]
    fn a_key_that_is_none_is_never_replaced_and_says_what_to_do() {
        let folder = Scratch::new("broken");
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join(FILE), b"half a key").unwrap();
        let error = keep(&folder.0).unwrap_err().told(&folder.0).to_string();
        assert!(error.ends_with("router.key is no key: it has 10 bytes, and a key has 32"), "{error}");
        assert_eq!(fs::read(folder.0.join(FILE)).unwrap(), b"half a key");
        fs::remove_file(folder.0.join(FILE)).unwrap();
        fs::create_dir(folder.0.join(FILE)).unwrap();
        let error = keep(&folder.0).unwrap_err();
        assert!(matches!(error, Unkept::Unreadable(_)), "{error:?}");
    }
}
