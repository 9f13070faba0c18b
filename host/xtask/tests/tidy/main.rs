//! The rules of the tree that no compiler and no lint keeps. Each file here is one rule, its message says what
//! to do, and its own tests show that it can fail.

// Clippy takes functions beside the tests for product code unless it is told.
#![cfg(test)]

mod columns;
mod contract;
mod files;
mod imports;
mod manifests;
mod names;
mod shortcuts;
mod top_level;
mod tree;
mod workflows;
mod workplace;

use std::path::Path;

use tree::Tree;
use xtask::lock::Lock;
use xtask::workspace::Workspace;

#[test]
fn crates_import_only_what_the_table_allows() {
    let workspace = workspace();
    report(imports::direct(&workspace));
    report(imports::reached(&workspace, &Lock::load(&workspace.root).unwrap()).unwrap());
}

#[test]
fn the_core_reads_no_clock() {
    report(imports::clocks(&tree()));
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    report(files::headers(&tree()));
}

#[test]
fn no_file_is_too_long() {
    report(files::lengths(&tree()));
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    report(top_level::check(&workspace().root).unwrap());
}

#[test]
fn files_and_modules_are_named_after_what_they_do() {
    report(names::check(&tree()));
}

#[test]
fn manifests_inherit_from_the_workspace() {
    report(manifests::inherited(&workspace()));
}

#[test]
fn every_dependency_has_a_reason() {
    report(manifests::reasons(&tree().text("Cargo.toml").unwrap()));
}

#[test]
fn nothing_is_skipped_left_open_or_slept_through() {
    report(shortcuts::check(&tree()));
}

#[test]
fn the_contract_has_its_line_of_changes() {
    let tree = tree();
    report(contract::check(&tree.text("wit/plugin.wit").unwrap(), &tree.text("wit/README.md").unwrap()));
}

#[test]
fn host_and_sdk_know_the_same_columns() {
    report(columns::check(&tree()));
}

#[test]
fn nothing_names_anybodys_workplace() {
    report(workplace::check(&tree()));
}

#[test]
fn workflows_name_what_is_there_and_may_only_read() {
    let workspace = workspace();
    let packages: Vec<&str> = workspace.members.keys().map(String::as_str).collect();
    report(workflows::check(&tree(), &packages));
}

fn workspace() -> Workspace {
    Workspace::containing(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn tree() -> Tree {
    Tree::read(&workspace().root).unwrap()
}

/// Fails with all problems at once.
fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
