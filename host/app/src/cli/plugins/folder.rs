//! A plugin's folder as its author left it: who it is, which crate it is, where its component and its cases lie.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::failed::Failed;

/// A folder with a plugin in Rust.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The plugin's name.
    pub(super) id: String,
    /// The contract that it says it is written for.
    pub(super) contract: String,
    /// The crate's name.
    pub(super) package: String,
    /// The name of its library, which is that of the file that cargo writes.
    pub(super) artifact: String,
    /// What it depends on by path, by name and folder.
    pub(super) beside: Vec<(String, PathBuf)>,
}

impl Folder {
    /// Reads `Cargo.toml` and `plugin.toml`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let (cargo, plugin) = (parsed(path, "Cargo.toml")?, parsed(path, "plugin.toml")?);
        let needed = |file: &Value, name: &str, keys: &[&str]| {
            text(file, keys).ok_or_else(|| {
                Failed::plainly(
                    format!("{} says no {}", path.join(name).display(), keys.join(".")),
                    "`herdwick plugins new signal my-idea` writes a whole plugin to compare with",
                )
            })
        };
        let package = needed(&cargo, "Cargo.toml", &["package", "name"])?;
        Ok(Self {
            path: path.to_owned(),
            id: needed(&plugin, "plugin.toml", &["id"])?,
            contract: needed(&plugin, "plugin.toml", &["contract"])?,
            artifact: text(&cargo, &["lib", "name"]).unwrap_or_else(|| package.clone()),
            beside: beside(path, &cargo),
            package,
        })
    }

    /// Where its component goes unless somebody says otherwise.
    pub(super) fn component(&self) -> PathBuf {
        self.path.join(format!("{}.wasm", self.id))
    }
}

/// The dependencies that lie in folders of their own, those that are there.
fn beside(folder: &Path, cargo: &Value) -> Vec<(String, PathBuf)> {
    let lines = cargo.get("dependencies").and_then(Value::as_table).into_iter().flatten();
    let folders = lines.filter_map(|(name, line)| {
        Some((name.clone(), fs::canonicalize(folder.join(line.get("path")?.as_str()?)).ok()?))
    });
    folders.collect()
}

/// The text that these keys lead to.
fn text(file: &Value, keys: &[&str]) -> Option<String> {
    let found = keys.iter().try_fold(file, |value, key| value.get(key));
    found.and_then(Value::as_str).map(str::to_owned)
}

fn parsed(folder: &Path, name: &str) -> anyhow::Result<Value> {
    let path = folder.join(name);
    let next = "name the folder of a plugin in Rust; `herdwick plugins new signal my-idea` makes one";
    let text = fs::read_to_string(&path)
        .map_err(|error| Failed::because(error, format!("{} cannot be read", path.display()), next))?;
    let table: Result<Table, _> = text.parse();
    table.map(Value::Table).map_err(|error| {
        Failed::because(error, format!("{} is not TOML", path.display()), "mend the file where it says")
    })
}
