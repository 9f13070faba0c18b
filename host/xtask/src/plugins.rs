//! `cargo xtask plugins`: every plugin folder becomes a component in `plugins/prebuilt`.
//!
//! The components are committed, because a fresh machine with nothing but cargo must get them; so each carries
//! the digest of what it was built from, and a test refuses one that is older than its sources.

use std::fs;

use anyhow::{Context, Result, anyhow, bail, ensure};
use herdwick_guest_build::{Stamp, Toolchain, component};

use crate::lock::Lock;
use crate::text;
use crate::workspace::Workspace;

pub mod compile;
pub mod folder;
pub mod freshness;
pub mod record;
pub mod sources;

use folder::Plugin;
use record::{Built, Record};
use sources::Sources;

/// Builds the named plugins, or all of them, and writes what came out.
pub fn build(workspace: &Workspace, names: &[String]) -> Result<()> {
    let plugins = folder::choose(folder::list(&workspace.root)?, names)?;
    let (toolchain, mut record) = if names.is_empty() { afresh() } else { as_recorded(workspace) }?;
    let holder = workspace.root.join(folder::PREBUILT);
    fs::create_dir_all(&holder).with_context(|| format!("cannot create {}", holder.display()))?;
    for plugin in &plugins {
        let bytes = component_of(workspace, &toolchain, plugin)?;
        let path = plugin.prebuilt(&workspace.root);
        fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        let built = Built::of(&plugin.name, &bytes);
        println!("{} bytes, sha256 {}", built.size, built.sha256);
        record.components.insert(plugin.name.clone(), built);
    }
    if names.is_empty() {
        for path in folder::orphans(&workspace.root)? {
            println!("removing {}: no plugin folder has that name", text::relative(&workspace.root, &path));
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    record.write(&workspace.root)
}

/// Builds without writing and fails when what is committed differs.
pub fn check(workspace: &Workspace, names: &[String]) -> Result<()> {
    let plugins = folder::choose(folder::list(&workspace.root)?, names)?;
    let record = Record::read(&workspace.root)?;
    let toolchain = toolchain(Some(&record.toolchain))?;
    let comparable = record.toolchain == toolchain.description;
    if !comparable {
        println!(
            "plugins/prebuilt/BUILD.txt names another toolchain than is to be had here, so only the digests of"
        );
        println!(
            "sources are compared, not bytes:\n{}",
            differing_lines(&record.toolchain, &toolchain.description)
        );
    }
    let mut problems = Vec::new();
    for plugin in &plugins {
        let fresh = component_of(workspace, &toolchain, plugin)?;
        problems.extend(differences(workspace, plugin, &record, &fresh, comparable)?);
    }
    ensure!(
        problems.is_empty(),
        "{}\nrun `cargo xtask plugins` and commit plugins/prebuilt",
        problems.join("\n")
    );
    let compared = if comparable { "same bytes" } else { "same sources" };
    println!("{} plugins are as committed: {compared}", plugins.len());
    Ok(())
}

/// For a build of all plugins: any toolchain, and a record that begins empty.
fn afresh() -> Result<(Toolchain, Record)> {
    let toolchain = toolchain(None)?;
    let record = Record::new(&toolchain.description);
    Ok((toolchain, record))
}

/// For a build of some plugins: the toolchain that built the others, and their record.
fn as_recorded(workspace: &Workspace) -> Result<(Toolchain, Record)> {
    let record = Record::read(&workspace.root)?;
    let toolchain = toolchain(Some(&record.toolchain))?;
    if record.toolchain != toolchain.description {
        bail!(
            "plugins/prebuilt was built by another toolchain, and one folder cannot mix two; build all of them: \
             `cargo xtask plugins`\n{}",
            differing_lines(&record.toolchain, &toolchain.description)
        );
    }
    Ok((toolchain, record))
}

fn toolchain(wanted: Option<&str>) -> Result<Toolchain> {
    Toolchain::find(wanted).map_err(|missing| anyhow!("{missing}; {}", missing.advice()))
}

/// Compiles one plugin and turns it into a component that carries its stamp.
fn component_of(workspace: &Workspace, toolchain: &Toolchain, plugin: &Plugin) -> Result<Vec<u8>> {
    println!("building {} ({})", plugin.name, plugin.package);
    let sources = Sources::of(workspace, &Lock::load(&workspace.root)?, plugin)?;
    let module = compile::core_module(workspace, toolchain, plugin, &sources)?;
    let stamp = Stamp {
        digest: sources.digest(),
        contract: sources::contract(&workspace.root)?,
        toolchain: toolchain.one_line(),
    };
    component::encode(&module, &stamp).with_context(|| format!("cannot make a component of {}", plugin.name))
}

/// How a committed component differs from one built now.
fn differences(
    workspace: &Workspace,
    plugin: &Plugin,
    record: &Record,
    fresh: &[u8],
    comparable: bool,
) -> Result<Vec<String>> {
    let path = plugin.prebuilt(&workspace.root);
    let name = text::relative(&workspace.root, &path);
    let Ok(committed) = fs::read(&path) else {
        return Ok(vec![format!("{name} is missing")]);
    };
    let mut problems = Vec::new();
    if record.components.get(&plugin.name) != Some(&Built::of(&plugin.name, &committed)) {
        problems.push(format!("{name} is not the file that BUILD.txt describes"));
    }
    match Stamp::read(&committed) {
        Err(error) => problems.push(format!("{name} {error:#}")),
        Ok(stamp) if stamp.digest != Stamp::read(fresh)?.digest => {
            problems.push(format!("{name} was built from other sources than those in this checkout"));
        }
        Ok(_) if comparable && committed != fresh => {
            problems.push(format!(
                "{name} differs from what the same toolchain builds here from the same sources"
            ));
        }
        Ok(_) => {}
    }
    Ok(problems)
}

/// The lines in which two descriptions of a toolchain differ, for people.
fn differing_lines(committed: &str, here: &str) -> String {
    let only = |title: &str, these: &str, those: &str| -> Vec<String> {
        let others: Vec<&str> = those.lines().collect();
        these.lines().filter(|line| !others.contains(line)).map(|line| format!("  {title}: {line}")).collect()
    };
    let mut lines = only("committed", committed, here);
    lines.extend(only("here", here, committed));
    lines.join("\n")
}
