//! What a plugin is built from, and one digest of it that no line end, clone or folder changes.

use std::path::Path;

use anyhow::{Context, Result, bail};
use herdwick_guest_build::recipe;

use super::folder::Plugin;
use crate::lock::{Lock, Package};
use crate::text;
use crate::workspace::{Member, Workspace};

/// The sources of one plugin, as lines of `digest  name`, sorted as they were gathered.
#[derive(Debug)]
pub struct Sources {
    lines: Vec<String>,
    /// Files by their path below the root; the compiler's own list is compared with it after a build.
    files: Vec<String>,
}

impl Sources {
    /// Gathers the plugin's folder, the crates of ours it uses, the contract, the lock entries and the recipe.
    pub fn of(workspace: &Workspace, lock: &Lock, plugin: &Plugin) -> Result<Self> {
        if !workspace.members.contains_key(&plugin.package) {
            bail!("{} is not a member of the workspace; add it to `members` in Cargo.toml", plugin.folder);
        }
        let mut sources = Self { lines: vec![format!("recipe {}", recipe::profile())], files: Vec::new() };
        for key in ["edition", "version"] {
            let value = workspace.manifest.get("workspace").and_then(|table| table.get("package")?.get(key));
            sources.lines.push(format!(
                "workspace.package.{key} {}",
                value.map(ToString::to_string).unwrap_or_default()
            ));
        }
        for package in lock.closure(workspace, &plugin.package)? {
            match workspace.members.get(&package.name).filter(|_| package.source.is_none()) {
                Some(member) => sources.add_member(workspace, member)?,
                None => sources.add_package(workspace, package),
            }
        }
        sources.add_file(&workspace.root, &format!("{}/plugin.toml", plugin.folder))?;
        sources.add_folder(&workspace.root, "wit", ".wit")?;
        Ok(sources)
    }

    /// SHA-256 of everything gathered.
    pub fn digest(&self) -> String {
        text::sha256(self.lines.join("\n").as_bytes())
    }

    /// Whether a file, named by its path below the root, is part of the digest.
    pub fn contains(&self, file: &str) -> bool {
        self.files.iter().any(|known| known == file)
    }

    fn add_member(&mut self, workspace: &Workspace, member: &Member) -> Result<()> {
        self.add_file(&workspace.root, &format!("{}/Cargo.toml", member.folder))?;
        let build_script = format!("{}/build.rs", member.folder);
        if workspace.root.join(&build_script).is_file() {
            self.add_file(&workspace.root, &build_script)?;
        }
        self.add_folder(&workspace.root, &format!("{}/src", member.folder), "")
    }

    /// A package of the registry: its locked version, and the features that the workspace asks of it.
    fn add_package(&mut self, workspace: &Workspace, package: &Package) {
        let checksum = package.checksum.as_deref().unwrap_or("no checksum");
        self.lines.push(format!("package {} {} {checksum}", package.name, package.version));
        if let Some(line) = workspace.declared(&package.name) {
            self.lines.push(format!("declared {} {line}", package.name));
        }
    }

    /// All files below a folder whose names end in `ending`.
    fn add_folder(&mut self, root: &Path, folder: &str, ending: &str) -> Result<()> {
        for path in text::files_under(&root.join(folder))? {
            let name = text::relative(root, &path);
            if name.ends_with(ending) {
                self.add_file(root, &name)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, root: &Path, name: &str) -> Result<()> {
        let bytes = std::fs::read(root.join(name)).with_context(|| format!("cannot read {name}"))?;
        self.lines.push(format!("file {} {name}", text::sha256_of_text(&bytes)));
        self.files.push(name.to_owned());
        Ok(())
    }
}

/// Name and version of the contract, as the package line of `wit/plugin.wit` gives them.
pub fn contract(root: &Path) -> Result<String> {
    let wit = text::read(&root.join("wit/plugin.wit"))?;
    let line = wit.lines().find_map(|line| line.trim().strip_prefix("package "));
    let name = line.context("wit/plugin.wit has no `package` line")?;
    Ok(name.trim_end_matches(';').trim().to_owned())
}
