//! Where plugins live: one folder each, below one folder per kind; the built component has the folder's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::text;
use crate::workspace;

/// The folders of plugins, one per kind.
pub const KINDS: [&str; 3] = ["plugins/signals", "plugins/fallbacks", "plugins/health"];

/// Where the components are committed.
pub const PREBUILT: &str = "plugins/prebuilt";

/// One plugin's folder.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The folder's own name, which is the component's too.
    pub name: String,
    /// The folder below the root, with `/` between the parts.
    pub folder: String,
    /// The package in it.
    pub package: String,
}

impl Plugin {
    /// The committed component.
    pub fn prebuilt(&self, root: &Path) -> PathBuf {
        root.join(PREBUILT).join(format!("{}.wasm", self.name))
    }
}

/// All plugin folders, sorted by kind and name.
pub fn list(root: &Path) -> Result<Vec<Plugin>> {
    let mut plugins: BTreeMap<String, Plugin> = BTreeMap::new();
    for kind in KINDS {
        for folder in workspace::crates_in(root, kind)? {
            let manifest = workspace::parse(&root.join(&folder).join("Cargo.toml"))?;
            let package = manifest
                .get("package")
                .and_then(|package| package.get("name"))
                .and_then(Value::as_str)
                .with_context(|| format!("{folder}/Cargo.toml has no package.name"))?
                .to_owned();
            let name = folder.rsplit('/').next().unwrap_or(&folder).to_owned();
            if let Some(other) = plugins.get(&name) {
                bail!(
                    "{folder} and {} have one name, and a plugin's name is its identity; rename one",
                    other.folder
                );
            }
            plugins.insert(name.clone(), Plugin { name, folder, package });
        }
    }
    Ok(plugins.into_values().collect())
}

/// Those that were asked for by name, or all when nobody asked.
pub fn choose(plugins: Vec<Plugin>, names: &[String]) -> Result<Vec<Plugin>> {
    let known: Vec<&str> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no plugin folder is named {unknown}; there are: {}", known.join(", "));
    }
    Ok(plugins.into_iter().filter(|plugin| names.is_empty() || names.contains(&plugin.name)).collect())
}

/// Committed components without a folder.
pub fn orphans(root: &Path) -> Result<Vec<PathBuf>> {
    let known: Vec<PathBuf> = list(root)?.iter().map(|plugin| plugin.prebuilt(root)).collect();
    let holder = root.join(PREBUILT);
    if !holder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = text::files_under(&holder)?;
    found.retain(|path| {
        path.extension().is_some_and(|extension| extension == "wasm") && !known.contains(path)
    });
    Ok(found)
}
