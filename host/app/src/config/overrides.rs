//! `overrides.toml`: what the command line and the dashboard changed, stronger than `herdwick.toml`, which is
//! its author's alone. One key at a time is changed; whatever else stands in the file stays as it is.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use toml_edit::{DocumentMut, Item, Key, Table, TableLike, Value};

use super::file;
use crate::failed::Failed;

/// What a new file begins with.
const HEAD: &str =
    "# Written by herdwick, stronger than herdwick.toml. `herdwick config reset KEY` removes an entry.\n\n";
/// What to do when the file itself is broken.
const MEND: &str = "mend the file or remove it; it only holds changes made by commands and on the dashboard";

/// Says a value, now and in later runs. The key is written as in `plugins.queue-depth.enabled`, and must be one
/// that the configuration has.
pub(crate) fn set(path: &Path, key: &str, value: impl Into<Value>) -> anyhow::Result<()> {
    let keys = parts(key)?;
    let Some((last, sections)) = keys.split_last() else {
        return Err(no_key(key));
    };
    let mut document = read(path)?.unwrap_or_default();
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for section in sections {
        let inner = table.entry(section.get()).or_insert_with(|| {
            let mut table = Table::new();
            // A table that only holds tables needs no line of its own.
            table.set_implicit(true);
            Item::Table(table)
        });
        table = inner.as_table_like_mut().ok_or_else(|| {
            Failed::plainly(format!("{}: {:?} is no table", path.display(), section.get()), MEND)
        })?;
    }
    table.insert(last.get(), Item::Value(value.into()));
    write(path, &document)
}

/// Removes a key, or a section with everything in it. False if it was not there.
pub(crate) fn reset(path: &Path, key: &str) -> anyhow::Result<bool> {
    let keys = parts(key)?;
    let Some(mut document) = read(path)? else {
        return Ok(false);
    };
    let found = remove(document.as_table_mut(), &keys);
    if found {
        write(path, &document)?;
    }
    Ok(found)
}

/// Every key that the file says, for people.
pub(crate) fn keys(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    collect(read(path)?.unwrap_or_default().as_table(), "", &mut found);
    Ok(found)
}

fn collect(table: &dyn TableLike, section: &str, found: &mut Vec<String>) {
    for (name, item) in table.iter() {
        let key = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        match item.as_table_like() {
            Some(inner) => collect(inner, &key, found),
            None => found.push(key),
        }
    }
}

fn remove(table: &mut dyn TableLike, keys: &[Key]) -> bool {
    match keys {
        [] => false,
        [last] => table.remove(last.get()).is_some(),
        [head, rest @ ..] => {
            let Some(inner) = table.get_mut(head.get()).and_then(Item::as_table_like_mut) else {
                return false;
            };
            let found = remove(inner, rest);
            if found && inner.is_empty() {
                table.remove(head.get());
            }
            found
        }
    }
}

fn parts(key: &str) -> anyhow::Result<Vec<Key>> {
    Key::parse(key).map_err(|_| no_key(key))
}

fn no_key(key: &str) -> anyhow::Error {
    Failed::plainly(format!("{key:?} is no key"), "write it like limits.body or plugins.queue-depth.weight")
}

fn read(path: &Path) -> anyhow::Result<Option<DocumentMut>> {
    let text = file::text(path).map_err(|problem| Failed::plainly(problem.to_string(), MEND))?;
    let document = text.map(|text| text.parse::<DocumentMut>()).transpose();
    document.map_err(|error| Failed::because(error, format!("{} is no TOML", path.display()), MEND))
}

/// Beside the file first and then in its place: who reads meanwhile sees the old or the new one, never half.
fn write(path: &Path, document: &DocumentMut) -> anyhow::Result<()> {
    let beside = path.with_extension("toml.new");
    let write = || -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let head = if path.exists() { "" } else { HEAD };
        let mut file = fs::File::create(&beside)?;
        file.write_all(format!("{head}{document}").as_bytes())?;
        file.sync_all()?;
        Ok(fs::rename(&beside, path)?)
    };
    write().map_err(|error| {
        Failed::because(
            error,
            format!("{} cannot be written", path.display()),
            "make its folder writable for you, or choose another with --config-dir",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this test alone, gone with it.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("herdwick-overrides-{}-{name}", std::process::id()));
            Self(folder)
        }

        fn file(&self) -> std::path::PathBuf {
            self.0.join("overrides.toml")
        }

        fn text(&self) -> String {
            fs::read_to_string(self.file()).expect("the file is there")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_set_stands_in_the_file_until_it_is_reset() {
        let scratch = Scratch::new("set");
        let file = scratch.file();
        assert!(!reset(&file, "listen").expect("nothing to do"), "no file, no override");
        set(&file, "plugins.queue-depth.enabled", false).expect("written");
        set(&file, "plugins.queue-depth.weight", 0.5).expect("written");
        set(&file, "plugins.queue-depth.enabled", true).expect("written");
        let text = "[plugins.queue-depth]\nenabled = true\nweight = 0.5\n";
        assert_eq!(scratch.text(), format!("{HEAD}{text}"));
        assert_eq!(
            keys(&file).expect("good TOML"),
            ["plugins.queue-depth.enabled", "plugins.queue-depth.weight"]
        );
        assert!(reset(&file, "plugins.queue-depth.enabled").expect("written"));
        assert!(!reset(&file, "plugins.queue-depth.enabled").expect("nothing to do"));
        assert!(reset(&file, "plugins.queue-depth.weight").expect("written"));
        assert_eq!(keys(&file).expect("good TOML"), Vec::<String>::new());
        assert!(!scratch.text().contains('['), "no empty table is left behind: {}", scratch.text());
    }

    #[test]
    fn the_rest_of_the_file_is_kept() {
        let scratch = Scratch::new("rest");
        fs::create_dir_all(&scratch.0).expect("a folder");
        let rest = "# mine\nlisten = \"127.0.0.1:1\" # why\n";
        fs::write(scratch.file(), format!("{rest}[limits]\nbody = \"1 MiB\"\n")).expect("written");
        assert!(reset(&scratch.file(), "limits").expect("written"), "a whole section");
        assert_eq!(scratch.text(), rest);
    }

    #[test]
    fn what_cannot_be_changed_is_told_and_left_alone() {
        let scratch = Scratch::new("told");
        fs::create_dir_all(&scratch.0).expect("a folder");
        for (text, key, told) in [
            ("a = = 1", "listen", "is no TOML"),
            ("plugins = 1", "plugins.a.enabled", "\"plugins\" is no table"),
            ("", "a..b", "\"a..b\" is no key"),
        ] {
            fs::write(scratch.file(), text).expect("written");
            let error = set(&scratch.file(), key, true).expect_err(told).to_string();
            assert!(error.contains(told), "{error}");
            assert_eq!(scratch.text(), text);
        }
    }
}
