//! Reading files of the tree as text and naming them the same on every platform.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Names of folders that hold build output, never sources.
const OUTPUT_FOLDERS: [&str; 2] = ["target", "node_modules"];

/// Reads a file as UTF-8 with an error that names it.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every file under `folder`, sorted by path; hidden files and build output are left out.
pub fn files_under(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(current) = pending.pop() {
        let entries = fs::read_dir(&current).with_context(|| format!("cannot list {}", current.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", current.display()))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = entry.path();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                if !OUTPUT_FOLDERS.contains(&name.as_ref()) {
                    pending.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `path` below `root` with `/` between its parts, so that digests and messages agree on every platform.
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts = below.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// SHA-256 of bytes as 64 hex digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// SHA-256 of a text file whose line ends are taken as `\n`, whatever the checkout made of them.
pub fn sha256_of_text(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        if *byte != b'\r' || rest.peek() != Some(&&b'\n') {
            plain.push(*byte);
        }
    }
    sha256(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_does_not_depend_on_line_ends() {
        assert_eq!(sha256_of_text(b"a\r\nb\n"), sha256_of_text(b"a\nb\r\n"));
        assert_ne!(sha256_of_text(b"a\rb"), sha256_of_text(b"ab"));
        assert_ne!(sha256_of_text(b"a\nb"), sha256_of_text(b"ab"));
    }

    #[test]
    fn digest_is_the_well_known_one() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn relative_paths_use_slashes() {
        let root = Path::new("tree");
        assert_eq!(relative(root, &root.join("host").join("app")), "host/app");
    }
}
