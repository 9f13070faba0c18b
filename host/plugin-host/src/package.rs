//! A plugin as somebody hands it to us: bytes and where they came from. Nothing is believed yet.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::fault::LoadError;
use crate::limits;

/// Where a plugin came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// It is part of this binary.
    BuiltIn(&'static str),
    /// A file of the operator's.
    File(PathBuf),
    /// Known by name only: the configuration speaks of it.
    Named(String),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(out, "{name} (built in)"),
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Named(name) => out.write_str(name),
        }
    }
}

/// The SHA-256 of a plugin's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Digest({self})")
    }
}

/// A plugin that was read into memory once; nobody can change it between the check and the use.
#[derive(Clone, Debug)]
pub struct Package {
    /// Where it came from.
    pub source: Source,
    /// The component.
    pub bytes: Cow<'static, [u8]>,
}

impl Package {
    /// A plugin that is part of this binary.
    pub const fn built_in(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { source: Source::BuiltIn(name), bytes: Cow::Borrowed(bytes) }
    }

    /// Reads a file, bounded in size.
    ///
    /// # Errors
    /// It cannot be read, or is larger than [`limits::FILE_BYTES`].
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        use std::io::Read as _;
        let source = Source::File(path.to_owned());
        let fail = |problem| LoadError { plugin: source.clone(), problem };
        let file = std::fs::File::open(path)
            .map_err(|error| fail(format!("cannot be read ({error}); give the path of a .wasm component")))?;
        let mut bytes = Vec::new();
        // One byte more than allowed tells "too large" apart from "just fits" without trusting a size.
        file.take(limits::FILE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| fail(format!("cannot be read ({error})")))?;
        if bytes.len() > limits::FILE_BYTES {
            return Err(fail(format!(
                "is larger than {} MiB; strip it or split it",
                limits::FILE_BYTES >> 20
            )));
        }
        Ok(Self { source, bytes: Cow::Owned(bytes) })
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(&self.bytes).into())
    }
}
