//! `plugins/prebuilt/BUILD.txt`: which toolchain built the committed components, and what came out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::folder::PREBUILT;
use crate::text;

/// The first line of the file.
const TITLE: &str = "# Written by `cargo xtask plugins`. Bytes are comparable only between equal toolchains.";
/// Between the toolchain and the components.
const COMPONENTS: &str = "\n# component, bytes, sha256\n";

/// The file's contents.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// As [`herdwick_guest_build::Toolchain`] describes itself; equal text means equal toolchains.
    pub toolchain: String,
    /// Components by plugin name.
    pub components: BTreeMap<String, Built>,
}

/// One component as it was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Built {
    /// The plugin's name.
    pub name: String,
    /// The file's length in bytes.
    pub size: usize,
    /// The file's SHA-256.
    pub sha256: String,
}

impl Built {
    /// Describes a component's bytes.
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), size: bytes.len(), sha256: text::sha256(bytes) }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let size = words.next()?.parse().ok()?;
        let sha256 = words.next()?.to_owned();
        words.next().is_none().then_some(Self { name, size, sha256 })
    }
}

impl Record {
    /// A record without components.
    pub fn new(toolchain: &str) -> Self {
        Self { toolchain: toolchain.to_owned(), components: BTreeMap::new() }
    }

    /// Reads the committed file.
    pub fn read(root: &Path) -> Result<Self> {
        let path = path(root);
        Self::parse(&text::read(&path).context("run `cargo xtask plugins`, which writes it")?).with_context(
            || format!("{} is not as `cargo xtask plugins` writes it; run that", path.display()),
        )
    }

    /// Writes the file.
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = path(root);
        fs::write(&path, self.to_text()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(file: &str) -> Result<Self> {
        let file = file.replace("\r\n", "\n");
        let body = file.strip_prefix(TITLE).context("the first line is another")?;
        let (toolchain, components) = body.split_once(COMPONENTS).context("no list of components")?;
        let mut record = Self::new(toolchain.trim_matches('\n'));
        for line in components.lines() {
            let built = Built::parse(line).with_context(|| format!("not a component: {line}"))?;
            record.components.insert(built.name.clone(), built);
        }
        Ok(record)
    }

    fn to_text(&self) -> String {
        let lines: String = self
            .components
            .values()
            .map(|built| format!("{} {} {}\n", built.name, built.size, built.sha256))
            .collect();
        format!("{TITLE}\n{}\n{COMPONENTS}{lines}", self.toolchain)
    }
}

fn path(root: &Path) -> PathBuf {
    root.join(PREBUILT).join("BUILD.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut record = Record::new("rustc: 1.95.0\nlinker: LLD 22");
        for name in ["b", "a"] {
            record.components.insert(name.to_owned(), Built::of(name, b"bytes"));
        }
        assert_eq!(Record::parse(&record.to_text()).unwrap(), record);
        assert_eq!(Record::parse(&record.to_text().replace('\n', "\r\n")).unwrap(), record);
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        assert!(Record::parse("").is_err());
        assert!(Record::parse(TITLE).is_err());
        assert!(Record::parse(&format!("{TITLE}\n{COMPONENTS}name without-size\n")).is_err());
        assert!(Record::parse(&format!("{TITLE}\n{COMPONENTS}name 1 sum more\n")).is_err());
    }
}
