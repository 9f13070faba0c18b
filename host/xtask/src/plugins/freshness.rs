//! Whether the committed components are those of the present sources. Needs no compiler for wasm, so it is a
//! test that runs everywhere.

use std::fs;

use anyhow::Result;
use herdwick_guest_build::Stamp;

use super::folder;
use super::sources::Sources;
use crate::lock::Lock;
use crate::text;
use crate::workspace::Workspace;

/// What is wrong with `plugins/prebuilt`, one sentence each.
pub fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let lock = Lock::load(&workspace.root)?;
    let mut problems = Vec::new();
    for plugin in folder::list(&workspace.root)? {
        let path = plugin.prebuilt(&workspace.root);
        let name = text::relative(&workspace.root, &path);
        let Ok(component) = fs::read(&path) else {
            problems.push(format!("{} has no {name}", plugin.folder));
            continue;
        };
        match Stamp::read(&component) {
            Err(error) => problems.push(format!("{name} {error:#}")),
            Ok(stamp) if stamp.digest == Sources::of(workspace, &lock, &plugin)?.digest() => {}
            Ok(_) => problems
                .push(format!("{name} is older than its sources (its folder, sdk/rust, wit or Cargo.lock)")),
        }
    }
    for path in folder::orphans(&workspace.root)? {
        problems.push(format!("{} belongs to no plugin folder", text::relative(&workspace.root, &path)));
    }
    Ok(problems)
}
