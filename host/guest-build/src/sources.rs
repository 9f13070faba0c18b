//! One digest of everything that an author wrote for a plugin, which no line end, clone or folder changes. What the
//! crate depends on is in it as its lock file says.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// Files beside the sources that decide what comes out; the lock file need not be there.
const FILES: [&str; 3] = ["Cargo.lock", "Cargo.toml", "plugin.toml"];

/// SHA-256 of the plugin in `folder` as 64 hex digits: of a line for each file, with its digest and its name.
///
/// # Errors
/// Something cannot be read.
pub fn digest(folder: &Path) -> Result<String> {
    let mut names: Vec<String> = FILES.map(str::to_owned).to_vec();
    names.retain(|name| folder.join(name).is_file());
    gather(folder, "src", &mut names)?;
    names.sort();
    let mut lines = String::new();
    for name in names {
        let text = fs::read(folder.join(&name)).with_context(|| format!("cannot read {name}"))?;
        // Line ends are whatever the checkout made of them.
        let text: Vec<u8> = text.into_iter().filter(|byte| *byte != b'\r').collect();
        lines.push_str(&format!("{} {name}\n", hex(&text)));
    }
    Ok(hex(lines.as_bytes()))
}

/// The files below `folder/below`, by their names with `/` between the parts.
fn gather(folder: &Path, below: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder.join(below)).with_context(|| format!("cannot list {below}"))? {
        let entry = entry.with_context(|| format!("cannot list {below}"))?;
        let name = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            gather(folder, &name, names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_follows_what_was_written_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("herdwick-digest-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            digest(&folder)
        };
        assert!(write("Cargo.toml", "[package]\n").is_err(), "there is no src");
        let first = write("src/lib.rs", "//! A.\n").unwrap();
        assert_eq!(write("Cargo.toml", "[package]\r\n").unwrap(), first);
        assert_eq!(write("README.md", "text").unwrap(), first);
        assert_eq!(write("target/x", "text").unwrap(), first);
        let more = write("src/deep/b.rs", "").unwrap();
        assert_ne!(more, first);
        assert_ne!(write("plugin.toml", "id = 'a'").unwrap(), more);
        fs::remove_dir_all(&folder).unwrap();
    }
}
