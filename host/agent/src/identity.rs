//! The agent's key: what makes a machine the same one after a restart, whatever its name and address.

use std::io;
use std::path::{Path, PathBuf};

use herdwick_wire::seal::Identity;

use crate::{random, state};

/// The file in the state folder.
const FILE: &str = "node.key";

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The folder or the file in it is out of reach.
    #[error("{path} cannot be {what}")]
    Access {
        /// Which.
        path: PathBuf,
        /// `read`, `made` or `written`.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It was cut off or written by somebody else. Making another key would make this another machine.
    #[error("{path} is no key: it has {bytes} bytes, and a key has {}", Identity::SEED)]
    Broken {
        /// Which.
        path: PathBuf,
        /// How long it is.
        bytes: usize,
    },
}

/// The identity that lies in the state folder; made at the first start.
///
/// # Errors
/// When the file cannot be read or made, or is no key.
pub(crate) fn load(folder: &Path) -> Result<Identity, IdentityError> {
    let path = folder.join(FILE);
    let failed = |what| {
        let path = path.clone();
        move |source| IdentityError::Access { path, what, source }
    };
    if let Some(content) = state::read(&path).map_err(failed("read"))? {
        let bytes = content.len();
        let seed = content.try_into().map_err(|_| IdentityError::Broken { path, bytes })?;
        return Ok(Identity::from_seed(&seed));
    }
    state::make(folder).map_err(failed("made"))?;
    let seed = random::bytes().map_err(failed("made"))?;
    state::write(&path, &seed).map_err(failed("written"))?;
    Ok(Identity::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stays_the_same_and_its_key_is_its_own() {
        let folder = crate::tests::folder("identity");
        let first = load(&folder).expect("a key").public();
        assert_eq!(load(&folder).expect("the same key").public(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.join(FILE)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let inner = folder.join("inner");
            load(&inner).expect("another key");
            let mode = std::fs::metadata(inner).expect("a folder").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        std::fs::write(folder.join(FILE), b"half").expect("a broken file");
        let error = load(&folder).expect_err("no key").to_string();
        assert!(error.ends_with("it has 4 bytes, and a key has 32"), "{error}");
    }
}
