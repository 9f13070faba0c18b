//! The file to begin with: every key with its default, all of them commented out, so that a later version's
//! better default reaches whoever never touched it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::failed::Failed;

/// Its text.
pub(crate) const TEMPLATE: &str = include_str!("herdwick.toml");

/// Writes it, unless there is a file already.
pub(crate) fn write(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(path))
        .and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failed::plainly(
            format!("{} is there already and is left as it is", path.display()),
            "edit it, or name another one with --config FILE",
        )),
        Err(error) => Err(Failed::because(
            error,
            format!("{} cannot be written", path.display()),
            "make its folder writable for you, or name another file with --config FILE",
        )),
    }
}
