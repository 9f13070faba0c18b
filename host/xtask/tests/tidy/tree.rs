//! All files of the checkout in memory, or a made-up handful of them. Asks no version control: a fresh archive
//! of the sources is checked like a clone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use xtask::text;

/// Hidden entries of the top level that belong to the project.
const HIDDEN: [&str; 6] = [".cargo", ".ci", ".editorconfig", ".gitattributes", ".github", ".gitignore"];

/// The files, sorted by path.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// One file.
pub(crate) struct File {
    /// Below the root, with `/` between the parts.
    pub(crate) path: String,
    /// As on disk.
    pub(crate) bytes: Vec<u8>,
}

impl Tree {
    /// Reads a checkout.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut paths = text::files_under(root)?;
        for hidden in HIDDEN.map(|name| root.join(name)) {
            if hidden.is_dir() {
                paths.extend(text::files_under(&hidden)?);
            } else if hidden.is_file() {
                paths.push(hidden);
            }
        }
        // What the commands of an example's README leave behind is output, as its .gitignore says.
        let is_output = |path: &Path| {
            path.starts_with(root.join("examples")) && path.extension().is_some_and(|end| end == "wasm")
        };
        paths.retain(|path| !is_output(path));
        let mut files = Vec::new();
        for path in paths {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(File { path: text::relative(root, &path), bytes });
        }
        Ok(Self { files })
    }

    /// A made-up tree.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() });
        Self { files: files.collect() }
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        let file = self.files.iter().find(|file| file.path == path);
        Ok(file.with_context(|| format!("{path} is missing"))?.text())
    }

    /// Our own Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.extension() == "rs")
    }
}

impl File {
    /// The contents; bytes that are not UTF-8 become replacement characters.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What stands behind the last dot of the name.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether a test's code, to its last line.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests")
    }
}
