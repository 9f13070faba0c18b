//! Brings a database up to date: numbered steps, each whole or not at all, and a copy of what was there before the
//! first of them.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;
use crate::folder::make_private;

/// The steps, in order; the first makes version 1. A step that was released is never changed.
pub(crate) const STEPS: [&str; 3] = [
    include_str!("../schema/0001_nodes.sql"),
    include_str!("../schema/0002_learned.sql"),
    include_str!("../schema/0003_pins.sql"),
];
/// Tells our databases from those of other programs (`PRAGMA application_id`): `Hrdw`.
pub(crate) const APPLICATION: i64 = 0x4872_6477;
/// Copies that are kept. One is for whoever goes back a version, the others for whoever notices late.
const COPIES: usize = 3;

/// The version of a database: how many steps it has behind it.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Takes the steps that are missing.
pub(crate) fn run(connection: &mut Connection, from: u32, steps: &[&str]) -> rusqlite::Result<()> {
    for (number, step) in (1_u32..).zip(steps).filter(|(number, _)| *number > from) {
        // Immediate: the step begins with the right to write, and does not find out halfway that it has none.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Copies a database beside itself, as `NAME.before-N`: N is the version that it is about to get.
pub(crate) fn back_up(connection: &Connection, file: &Path, to: u32) -> Result<(), StoreError> {
    let copy = beside(file, &format!(".before-{to}"));
    copy_to(connection, &copy).map_err(|source| StoreError::Backup { file: file.to_owned(), source })?;
    for old in copies(file).into_iter().rev().skip(COPIES) {
        if let Err(error) = fs::remove_file(&old) {
            tracing::warn!("the old copy {} cannot be removed: {error}", old.display());
        }
    }
    Ok(())
}

/// A file whose name is longer than that of `file`.
pub(crate) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// SQLite copies, so that what still stands in its log comes along; under another name first, so that a copy is whole
/// as soon as it has its name.
fn copy_to(connection: &Connection, copy: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let unfinished = beside(copy, ".new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => make_private(&unfinished)?,
    }
    let name = unfinished.to_str().ok_or("its folder's name is no UTF-8")?;
    connection.execute("VACUUM INTO ?1", [name])?;
    fs::File::options().write(true).open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, copy)?;
    Ok(())
}

/// The copies of a database, the one before the oldest step first.
fn copies(file: &Path) -> Vec<PathBuf> {
    let name = beside(file, ".before-");
    let (Some(folder), Some(start)) = (file.parent(), name.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_prefix(start)?.parse::<u32>().ok();
    let mut found: Vec<_> = listed.filter_map(|entry| Some((number(&entry)?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}
