//! The workspace as its manifests describe it. Read as text, so that no toolchain and no network is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::text;

/// The root manifest and those of all members.
#[derive(Debug)]
pub struct Workspace {
    /// The folder that holds the root manifest.
    pub root: PathBuf,
    /// The root `Cargo.toml`.
    pub manifest: Table,
    /// Members by package name.
    pub members: BTreeMap<String, Member>,
}

/// One crate of ours.
#[derive(Debug)]
pub struct Member {
    /// Its package name.
    pub name: String,
    /// Its folder below the root, with `/` between the parts.
    pub folder: String,
    /// Its `Cargo.toml`.
    pub manifest: Table,
}

/// A line of a dependency table.
#[derive(Debug)]
pub struct Dependency<'a> {
    /// The package it means, which a rename may hide behind another key.
    pub package: String,
    /// What stands right of the `=`.
    pub line: &'a Value,
    /// Whether only tests and benches see it.
    pub dev: bool,
}

impl Workspace {
    /// The workspace that `folder` lies in.
    pub fn containing(folder: &Path) -> Result<Self> {
        for candidate in folder.ancestors() {
            let path = candidate.join("Cargo.toml");
            if path.is_file() && parse(&path)?.contains_key("workspace") {
                return Self::load(candidate);
            }
        }
        bail!("no workspace Cargo.toml in {} or above it; run this inside a checkout", folder.display())
    }

    /// Reads the manifest in `root` and those of its members.
    pub fn load(root: &Path) -> Result<Self> {
        let manifest = parse(&root.join("Cargo.toml"))?;
        let mut members = BTreeMap::new();
        for folder in member_folders(root, &manifest)? {
            let path = root.join(&folder).join("Cargo.toml");
            let manifest = parse(&path)?;
            let name = manifest
                .get("package")
                .and_then(|package| package.get("name"))
                .and_then(Value::as_str)
                .with_context(|| format!("{} has no package.name", path.display()))?
                .to_owned();
            members.insert(name.clone(), Member { name, folder, manifest });
        }
        Ok(Self { root: root.to_path_buf(), manifest, members })
    }

    /// What `[workspace.dependencies]` says about a crate.
    pub fn declared(&self, name: &str) -> Option<&Value> {
        self.manifest.get("workspace")?.get("dependencies")?.get(name)
    }

    /// Every dependency line of a member, with renames resolved.
    pub fn dependencies<'a>(&self, member: &'a Member) -> Vec<Dependency<'a>> {
        let mut found = Vec::new();
        for (table, lines) in dependency_tables(&member.manifest) {
            for (key, line) in lines {
                found.push(Dependency {
                    package: self.package_behind(key, line),
                    line,
                    dev: table == "dev-dependencies",
                });
            }
        }
        found
    }

    /// The package a dependency line means: `package = …` there or in the workspace's line, else the key.
    fn package_behind(&self, key: &str, line: &Value) -> String {
        let renamed = |value: &Value| value.get("package").and_then(Value::as_str).map(str::to_owned);
        renamed(line).or_else(|| self.declared(key).and_then(renamed)).unwrap_or_else(|| key.to_owned())
    }
}

/// The dependency tables of a manifest by kind, those below `[target.…]` included.
fn dependency_tables(manifest: &Table) -> Vec<(&'static str, &Table)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let holders = targets
        .into_iter()
        .flat_map(|targets| targets.values())
        .filter_map(Value::as_table)
        .chain([manifest]);
    let mut tables = Vec::new();
    for holder in holders {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            if let Some(lines) = holder.get(kind).and_then(Value::as_table) {
                tables.push((kind, lines));
            }
        }
    }
    tables
}

/// The folders named by `workspace.members`; a last part `*` means every folder there that holds a crate.
fn member_folders(root: &Path, manifest: &Table) -> Result<Vec<String>> {
    let members = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(Value::as_array)
        .with_context(|| format!("{} lists no workspace.members", root.join("Cargo.toml").display()))?;
    let mut folders = Vec::new();
    for member in members.iter().filter_map(Value::as_str) {
        match member.strip_suffix("/*") {
            None => folders.push(member.to_owned()),
            Some(parent) => folders.extend(crates_in(root, parent)?),
        }
    }
    folders.sort();
    Ok(folders)
}

/// The folders directly in `parent` that hold a `Cargo.toml`, sorted; none when `parent` does not exist.
pub fn crates_in(root: &Path, parent: &str) -> Result<Vec<String>> {
    let holder = root.join(parent);
    if !holder.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(&holder).with_context(|| format!("cannot list {}", holder.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", holder.display()))?.path();
        if path.join("Cargo.toml").is_file() {
            folders.push(text::relative(root, &path));
        }
    }
    folders.sort();
    Ok(folders)
}

/// Reads a TOML file with an error that names it.
pub fn parse(path: &Path) -> Result<Table> {
    text::read(path)?.parse().with_context(|| format!("{} is not valid TOML", path.display()))
}
