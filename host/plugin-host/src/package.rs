//! A plugin as somebody hands it to us: bytes and where they came from. Nothing is believed yet.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
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

    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
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
    /// The text of the manifest beside the file (`my-signal.toml`), which stands over the one inside.
    pub sidecar: Option<String>,
}

impl Package {
    /// A plugin that is part of this binary.
    pub const fn built_in(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { source: Source::BuiltIn(name), bytes: Cow::Borrowed(bytes), sidecar: None }
    }

    /// A plugin that is not part of this binary, without a manifest beside it.
    pub fn new(source: Source, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { source, bytes: bytes.into(), sidecar: None }
    }

    /// Reads a file and the manifest beside it, bounded in size.
    ///
    /// # Errors
    /// One of them cannot be read, or is larger than [`limits::FILE_BYTES`] or [`limits::SIDECAR_BYTES`].
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let source = Source::File(path.to_owned());
        let fail = |problem| LoadError { plugin: source.clone(), problem };
        check_place(path).map_err(fail)?;
        let bytes = read_bounded(path, limits::FILE_BYTES)
            .map_err(|error| fail(format!("cannot be read ({error}); give the path of a .wasm component")))?
            .ok_or_else(|| fail(too_large()))?;
        let beside = path.with_extension("toml");
        let name = beside.display();
        let sidecar = match read_bounded(&beside, limits::SIDECAR_BYTES) {
            Ok(Some(bytes)) => Some(
                String::from_utf8(bytes)
                    .map_err(|_| fail(format!("has {name} beside it, which is no text")))?,
            ),
            Ok(None) => {
                let most = limits::SIDECAR_BYTES >> 10;
                return Err(fail(format!("has {name} beside it, which is larger than {most} KiB")));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(format!("has {name} beside it, which cannot be read ({error})"))),
        };
        Ok(Self { sidecar, ..Self::new(source, bytes) })
    }

    /// The digest of its bytes and of the manifest beside it, if there is one: either makes it another version.
    pub fn digest(&self) -> Digest {
        Digest::of_parts(&[&self.bytes, self.sidecar.as_deref().unwrap_or_default().as_bytes()])
    }
}

/// Refuses what is no file, which might never end, and what anybody on the machine could replace.
fn check_place(path: &Path) -> Result<(), String> {
    // What cannot be looked at cannot be read either, and reading says why.
    let Ok(found) = std::fs::metadata(path) else {
        return Ok(());
    };
    if !found.is_file() {
        return Err("is no file; give the path of a .wasm component".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        const OTHERS_WRITE: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        if found.mode() & OTHERS_WRITE != 0 {
            return Err("can be written by anybody; `chmod o-w` it".to_owned());
        }
        // A bare name lies in the current directory.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let open = |folder: std::fs::Metadata| folder.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE;
        if std::fs::metadata(folder).is_ok_and(open) {
            return Err(format!(
                "lies in a folder that anybody can write to; `chmod o-w {}`",
                folder.display()
            ));
        }
    }
    Ok(())
}

/// The content of a file, unless it is larger than `most`.
fn read_bounded(path: &Path, most: usize) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" apart from "just fits" without trusting a size.
    std::fs::File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}

/// The refusal of a file over [`limits::FILE_BYTES`].
pub(crate) fn too_large() -> String {
    format!("is larger than {} MiB; strip it or split it", limits::FILE_BYTES >> 20)
}
