//! Is there a place for what must survive, and is it nobody else's: the folder with keys, known machines and later
//! the database. Looks without writing.

use std::path::{Path, PathBuf};

use super::line::Line;

/// What the check is called.
const CHECK: &str = "state folder";
/// Whoever reads one of these can pass for this machine.
const KEYS: [&str; 2] = [ROUTER_KEY, NODE_KEY];
const ROUTER_KEY: &str = "router.key";
const NODE_KEY: &str = "node.key";
/// What a router leaves there besides its key.
const MEMORY: &str = "state.db";
/// More than its owner may do: bits of a file's mode.
const OTHERS: u32 = 0o077;
/// Others may write: then they may put their own key in the place of ours.
const OTHERS_WRITE: u32 = 0o022;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The folder, when the environment names one.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) kind: Kind,
    /// The closest thing above it that is there, itself included.
    pub(crate) nearest: PathBuf,
    /// Why nothing could be written into that, when nothing could.
    pub(crate) refused: Option<String>,
    /// The folder's mode, where there is such a thing.
    pub(crate) mode: Option<u32>,
    /// Keys that others may read, with their modes.
    pub(crate) open_keys: Vec<(PathBuf, u32)>,
    /// A router had this folder before.
    pub(crate) was_router: bool,
    /// An agent had this folder before.
    pub(crate) was_node: bool,
}

/// What stands in the place of the folder, or above it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Kind {
    /// The folder.
    Folder,
    /// Nothing; it would be made.
    #[default]
    Nothing,
    /// Something that is no folder, here or above.
    NoFolder,
}

/// Looks at the folder.
pub(crate) fn look(folder: Option<PathBuf>) -> Seen {
    let Some(folder) = folder else { return Seen::default() };
    let nearest = folder.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    let kind = if !nearest.is_dir() {
        Kind::NoFolder
    } else if nearest == folder {
        Kind::Folder
    } else {
        Kind::Nothing
    };
    let has = |file: &str| folder.join(file).is_file();
    let open = KEYS
        .into_iter()
        .map(|key| folder.join(key))
        .filter_map(|key| mode(&key).filter(|mode| mode & OTHERS != 0).map(|mode| (key, mode)));
    Seen {
        kind,
        refused: writable(nearest),
        mode: (kind == Kind::Folder).then(|| mode(&folder)).flatten(),
        nearest: nearest.to_owned(),
        open_keys: open.collect(),
        was_router: has(ROUTER_KEY) || has(MEMORY),
        was_node: has(NODE_KEY),
        folder: Some(folder),
    }
}

pub(crate) fn judge(seen: &Seen) -> Line {
    let Some(folder) = &seen.folder else {
        return Line::problem(CHECK, "no folder is known")
            .cause("the environment does not even name a home folder")
            .fix("name one:")
            .command("herdwick --state-dir DIR");
    };
    let (shown, typed) = (folder.display(), quoted(folder));
    let nearest = seen.nearest.display();
    if seen.kind == Kind::NoFolder {
        return Line::problem(CHECK, format!("{shown} cannot be used"))
            .cause(format!("{nearest} is there and is no folder"))
            .fix("move it away, or name another folder:")
            .command(format!("mv {0} {0}.old", quoted(&seen.nearest)))
            .command("herdwick --state-dir DIR");
    }
    if let Some(why) = &seen.refused {
        return Line::problem(CHECK, format!("{shown} cannot be written to"))
            .cause(format!("{nearest}: {why}"))
            .fix("give it to whoever runs herdwick, or name another folder:")
            .command(format!("sudo chown -R \"$(id -un)\" {}", quoted(&seen.nearest)))
            .command("herdwick --state-dir DIR");
    }
    if let Some((key, mode)) = seen.open_keys.first() {
        return Line::problem(CHECK, format!("{} may be read by others (mode {mode:03o})", key.display()))
            .cause("whoever has this key can pass for this machine")
            .command(format!("chmod 600 {}", quoted(key)));
    }
    match seen.mode {
        Some(mode) if mode & OTHERS_WRITE != 0 => {
            Line::problem(CHECK, format!("{shown} may be written to by others (mode {mode:03o})"))
                .cause("they could put their own key in the place of this machine's")
                .command(format!("chmod 700 {typed}"))
        }
        Some(mode) if mode & OTHERS != 0 => {
            Line::note(CHECK, format!("{shown} may be looked into by others (mode {mode:03o})"))
                .command(format!("chmod 700 {typed}"))
        }
        _ if seen.kind == Kind::Nothing => {
            Line::good(CHECK, format!("{shown} is not there yet; the first start makes it"))
        }
        _ => Line::good(CHECK, shown.to_string()),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Why nothing can be written there.
#[cfg(unix)]
fn writable(folder: &Path) -> Option<String> {
    use rustix::fs::{Access, access};
    let refused = access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(crate::failed::plain(&std::io::Error::from(refused).to_string()).to_lowercase())
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> Option<String> {
    let metadata = folder.metadata();
    metadata.err().map(|error| crate::failed::plain(&error.to_string()))
}

/// Who may do what.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn each_state_has_its_verdict() {
        let folder = Some(PathBuf::from("/s/herdwick"));
        let here = || PathBuf::from("/s/herdwick");
        let good = Seen { folder, kind: Kind::Folder, nearest: here(), mode: Some(0o700), ..Seen::default() };
        for (seen, verdict, told) in [
            (good.clone(), Verdict::Good, "/s/herdwick"),
            (Seen::default(), Verdict::Problem, "name a home folder"),
            (
                Seen { kind: Kind::Nothing, mode: None, ..good.clone() },
                Verdict::Good,
                "the first start makes it",
            ),
            (Seen { kind: Kind::NoFolder, ..good.clone() }, Verdict::Problem, "is no folder"),
            (
                Seen { refused: Some("permission denied".to_owned()), ..good.clone() },
                Verdict::Problem,
                "permission denied",
            ),
            (Seen { mode: Some(0o755), ..good.clone() }, Verdict::Note, "chmod 700 /s/herdwick"),
            (Seen { mode: Some(0o777), ..good.clone() }, Verdict::Problem, "put their own key"),
            (
                Seen { open_keys: vec![(PathBuf::from("/s/a b/node.key"), 0o644)], ..good.clone() },
                Verdict::Problem,
                "chmod 600 '/s/a b/node.key'",
            ),
        ] {
            let line = judge(&seen);
            let text = format!("{line:?}");
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(text.contains(told), "{told:?} is not in {text}");
        }
    }

    #[test]
    fn what_is_there_is_seen() {
        let folder = std::env::temp_dir().join(format!("herdwick-doctor-state-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let missing = look(Some(folder.join("a/b")));
        assert_eq!((missing.kind, missing.nearest), (Kind::Nothing, folder.clone()));
        let file = folder.join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(look(Some(file.clone())).kind, Kind::NoFolder);
        assert_eq!(look(Some(file.join("below"))).nearest, file);
        std::fs::write(folder.join("node.key"), "").unwrap();
        let seen = look(Some(folder.clone()));
        assert_eq!((seen.kind, seen.was_node, seen.was_router), (Kind::Folder, true, false));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
