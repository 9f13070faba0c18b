//! `Cargo.lock` as a graph: which packages a crate of ours is really built from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::text;
use crate::workspace::Workspace;

/// All packages of a lock file.
#[derive(Debug)]
pub struct Lock {
    packages: Vec<Package>,
    /// Index into `packages` by name, since most names occur once.
    by_name: BTreeMap<String, Vec<usize>>,
}

/// One entry of the lock file.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// The SHA-256 of its archive; packages of this workspace have none.
    pub checksum: Option<String>,
    /// Where it comes from; packages of this workspace have none.
    pub source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<Package>,
}

impl Lock {
    /// Reads `Cargo.lock` in `root`.
    pub fn load(root: &Path) -> Result<Self> {
        let path = root.join("Cargo.lock");
        Self::parse(&text::read(&path)?).with_context(|| format!("{} is not a lock file", path.display()))
    }

    /// Reads the text of a lock file.
    pub fn parse(lock: &str) -> Result<Self> {
        let packages = toml::from_str::<LockFile>(lock)?.package;
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, package) in packages.iter().enumerate() {
            by_name.entry(package.name.clone()).or_default().push(index);
        }
        Ok(Self { packages, by_name })
    }

    /// Everything `name` (a member) is built from, itself included, sorted by name and version.
    ///
    /// The lock file does not tell dependencies from dev-dependencies; for our own crates the manifests do, and
    /// what only tests need is left out, so that a test crate's update does not make a plugin look stale.
    pub fn closure(&self, workspace: &Workspace, name: &str) -> Result<Vec<&Package>> {
        let start = self.named(name).next().with_context(|| {
            format!("Cargo.lock has no entry {name}; run `cargo check -p {name}` and commit it")
        })?;
        let mut seen = BTreeSet::from([start]);
        let mut pending = vec![start];
        while let Some(index) = pending.pop() {
            let Some(package) = self.packages.get(index) else {
                continue;
            };
            for next in self.dependencies(workspace, package) {
                if seen.insert(next) {
                    pending.push(next);
                }
            }
        }
        let mut found: Vec<&Package> =
            seen.into_iter().filter_map(|index| self.packages.get(index)).collect();
        found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(found)
    }

    /// The packages one package is built from directly.
    fn dependencies(&self, workspace: &Workspace, package: &Package) -> Vec<usize> {
        let built: Option<BTreeSet<String>> = match &package.source {
            Some(_) => None,
            None => workspace.members.get(&package.name).map(|member| {
                let lines = workspace.dependencies(member).into_iter();
                lines.filter(|line| !line.dev).map(|line| line.package).collect()
            }),
        };
        let mut found = Vec::new();
        for line in &package.dependencies {
            // "name", "name version" or "name version (source)": as much as is needed to be unambiguous.
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let version = words.next();
            if built.as_ref().is_some_and(|built| !built.contains(name)) {
                continue;
            }
            found.extend(self.named(name).filter(|index| {
                let package = self.packages.get(*index);
                version.is_none_or(|version| package.is_some_and(|package| package.version == version))
            }));
        }
        found
    }

    fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = usize> + 'a {
        self.by_name.get(name).into_iter().flatten().copied()
    }
}
