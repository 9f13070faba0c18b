//! A plugin as somebody hands it to us: bytes and where they came from. Nothing is believed yet.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::fault::LoadError;
use crate::limits;

/// Where a plugin came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is part of this binary.
    BuiltIn(&'static str),
    /// A file of the operator's.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(out, "{name} (built in)"),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

/// The SHA-256 of a plugin's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self::from(hash)
    }
}

impl From<Sha256> for Digest {
    fn from(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    /// All 64 digits, or as many as the precision says.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let digits = digits.take(out.precision().unwrap_or(usize::MAX));
        digits
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .try_for_each(|digit| out.write_char(digit))
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
    /// The operator's multiplier, at least 0.
    pub weight: f64,
}

impl Package {
    /// A plugin that is part of this binary.
    pub const fn built_in(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { source: Source::BuiltIn(name), bytes: Cow::Borrowed(bytes), weight: 1.0 }
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
            return Err(fail(too_large()));
        }
        Ok(Self { source, bytes: Cow::Owned(bytes), weight: 1.0 })
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// The refusal of a file over [`limits::FILE_BYTES`].
pub(crate) fn too_large() -> String {
    format!("is larger than {} MiB; strip it or split it", limits::FILE_BYTES >> 20)
}
