//! Gets hold of the database: new, up to date, brought up to date, or set aside because it is broken. A file that is
//! not ours to change is told and not touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{StoreError, TooNew};
use crate::folder::make_private;
use crate::learned::{self, Learnt};
use crate::migrate::{self, APPLICATION, beside};
use crate::read;
use crate::record::{Record, seconds};

/// How long another program, a reader of an operator's, may keep us from the file.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pages of the log after which SQLite moves it into the file: with pages of 4 KiB the log stays under half a MiB.
const LOG_PAGES: u32 = 100;

/// A database that can be written.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) connection: Connection,
    pub(crate) records: Vec<Record>,
    pub(crate) learnt: Learnt,
    /// What an operator should know of how it went.
    pub(crate) warning: Option<String>,
}

/// What about a file is wrong.
enum Wrong {
    /// It cannot be believed; why. Another start would find it the same.
    Broken(String),
    /// Something else, which leaves the file alone.
    Other(StoreError),
}

/// Opens the file, takes the steps that it misses, and reads it.
pub(crate) fn open(file: &Path, steps: &[&str]) -> Result<Ready, StoreError> {
    let why = match try_open(file, steps) {
        Ok(ready) => return Ok(ready),
        Err(Wrong::Other(error)) => return Err(error),
        Err(Wrong::Broken(why)) => why,
    };
    let aside = set_aside(file).map_err(|source| StoreError::SetAside { file: file.to_owned(), source })?;
    let warning = format!(
        "{} is broken ({why}): it was set aside as {}, and nothing is remembered of before; machines that report or are \
         listed come back by themselves, drains and what `herdwick nodes` added, named or labelled must be said again, and what was learned is learned again",
        file.display(),
        aside.display()
    );
    match try_open(file, steps) {
        Ok(ready) => Ok(Ready { warning: Some(warning), ..ready }),
        Err(Wrong::Other(error)) => Err(error),
        // A new file that reads wrong at once: the disk, not the file.
        Err(Wrong::Broken(why)) => {
            let source = io::Error::other(format!("a new file is broken at once: {why}"));
            Err(StoreError::SetAside { file: file.to_owned(), source })
        }
    }
}

fn try_open(file: &Path, steps: &[&str]) -> Result<Ready, Wrong> {
    let folder = || file.parent().unwrap_or(file).to_owned();
    make_private(file).map_err(|source| Wrong::Other(StoreError::Folder { folder: folder(), source }))?;
    let wrong = |source: rusqlite::Error| judge(file, source);
    let mut connection = connect(file).map_err(wrong)?;
    let version = migrate::version(&connection).map_err(wrong)?;
    let newest = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let is_empty = is_empty(&connection).map_err(wrong)?;
    if !is_empty && application(&connection).map_err(wrong)? != APPLICATION {
        return Err(Wrong::Other(StoreError::Foreign { file: file.to_owned() }));
    }
    if version > newest {
        let source = TooNew { has: version, known: newest };
        return Err(Wrong::Other(StoreError::Newer { file: file.to_owned(), source }));
    }
    sound(&connection).map_err(wrong)?.map_err(Wrong::Broken)?;
    if version < newest && !is_empty {
        migrate::back_up(&connection, file, newest).map_err(Wrong::Other)?;
    }
    settle(&connection).map_err(wrong)?;
    migrate::run(&mut connection, version, steps).map_err(wrong)?;
    let now = SystemTime::now();
    learned::write::trim(&connection, seconds(now)).map_err(wrong)?;
    let records = read::all(&connection).map_err(wrong)?;
    let learnt = learned::read::all(&connection, now).map_err(wrong)?;
    Ok(Ready { connection, records, learnt, warning: None })
}

/// Opens it without changing a byte.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // Until we know that the file is ours to change, also closing it must leave its log where it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Nothing that a file says is run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(connection)
}

/// How it is written from now on. With a log, a reader does not keep us from writing; synced at each commit, what a
/// command was told is kept also when the power fails. That costs a few milliseconds on a thread that nobody waits for,
/// a few times an hour.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    // Where the file system has no shared memory SQLite stays with its older journal, which is as safe.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.query_row(&format!("PRAGMA wal_autocheckpoint = {LOG_PAGES}"), [], |_| Ok(()))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

fn application(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Reads every page. The file has some hundred of them, so that this is a millisecond.
fn sound(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(if said == "ok" { Ok(()) } else { Err(said) })
}

/// Whether an error means that the file is broken: it says so, or what must be in it is not. All else passes: no
/// permission, no room, somebody else at it.
fn judge(file: &Path, error: rusqlite::Error) -> Wrong {
    let is_broken = match error.sqlite_error_code() {
        Some(code) => {
            matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
        }
        None => true,
    };
    if is_broken {
        return Wrong::Broken(error.to_string());
    }
    Wrong::Other(StoreError::Open { file: file.to_owned(), source: error })
}

/// Moves the file and its log out of the way; says where to.
fn set_aside(file: &Path) -> io::Result<PathBuf> {
    let date = date();
    let names = (1_u32..).map(|number| match number {
        1 => beside(file, &format!(".broken-{date}")),
        _ => beside(file, &format!(".broken-{date}-{number}")),
    });
    let aside = names.into_iter().find(|name| !name.exists()).unwrap_or_else(|| beside(file, ".broken"));
    // The log first: without its file it is nothing, and a file without its log would be believed.
    for end in ["-shm", "-wal", "-journal", ""] {
        match fs::rename(beside(file, end), beside(&aside, end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    Ok(aside)
}

/// Now, for a file's name. SQLite knows the calendar.
fn date() -> String {
    let asked = Connection::open_in_memory().and_then(|connection| {
        connection.query_row("SELECT strftime('%Y-%m-%d-%H%M%S', 'now')", [], |row| row.get(0))
    });
    asked.unwrap_or_else(|_| "some-day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test alone, gone with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("herdwick-open-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("a folder").flatten();
            let mut names: Vec<_> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The version that is released.
    const NOW: usize = migrate::STEPS.len();
    const SECOND: &str = "CREATE TABLE second (x INTEGER) STRICT; INSERT INTO second VALUES (2)";

    /// The released steps and so many of later versions.
    fn steps(later: usize) -> Vec<&'static str> {
        let count = NOW + later;
        let later = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x)", "CREATE TABLE d (x)"];
        migrate::STEPS.into_iter().chain([SECOND]).chain(later).take(count).collect()
    }

    fn versions(folder: &Path, name: &str) -> (usize, bool) {
        let connection = Connection::open(folder.join(name)).expect("a database");
        let has_second = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'second')";
        let has_second = connection.query_row(has_second, [], |row| row.get(0)).expect("a schema");
        (migrate::version(&connection).expect("a version") as usize, has_second)
    }

    fn copy(version: usize) -> String {
        format!("state.db.before-{version}")
    }

    #[test]
    fn what_is_there_is_copied_before_it_is_changed_and_a_new_file_is_not() {
        let scratch = Scratch::new("copied");
        let file = scratch.0.join("state.db");
        drop(open(&file, &steps(0)).expect("a new one"));
        assert_eq!(scratch.names(), ["state.db"], "nothing was there to copy");
        drop(open(&file, &steps(0)).expect("it is up to date"));
        assert_eq!(scratch.names(), ["state.db"], "nothing was changed");
        drop(open(&file, &steps(1)).expect("brought up to date"));
        assert_eq!(scratch.names(), ["state.db".to_owned(), copy(NOW + 1)]);
        assert_eq!(versions(&scratch.0, "state.db"), (NOW + 1, true));
        assert_eq!(versions(&scratch.0, &copy(NOW + 1)), (NOW, false));
    }

    #[test]
    fn what_an_older_version_wrote_comes_along() {
        let scratch = Scratch::new("older");
        for released in 1..NOW {
            let file = scratch.0.join(format!("state{released}.db"));
            make_private(&file).expect("a file");
            let mut connection = connect(&file).expect("a new one");
            migrate::run(&mut connection, 0, &migrate::STEPS[..released]).expect("as it was then");
            let node =
                "INSERT INTO nodes VALUES (x'000102030405060708090a0b0c0d0e0f', 'a', 0, 'found', NULL, 1, 2)";
            connection.execute(node, []).expect("a machine");
            drop(connection);
            let ready = open(&file, &migrate::STEPS).expect("brought up to date");
            assert_eq!((ready.records.len(), ready.warning), (1, None), "from version {released}");
        }
    }

    #[test]
    fn the_last_three_copies_are_kept() {
        let scratch = Scratch::new("three");
        let file = scratch.0.join("state.db");
        for later in 0..=5 {
            drop(open(&file, &steps(later)).expect("one step more"));
        }
        let copies = (NOW + 3..=NOW + 5).map(copy);
        assert_eq!(scratch.names(), std::iter::once("state.db".to_owned()).chain(copies).collect::<Vec<_>>());
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let scratch = Scratch::new("fails");
        let file = scratch.0.join("state.db");
        drop(open(&file, &steps(0)).expect("a new one"));
        let mut connection = connect(&file).expect("it is there");
        let half = [&migrate::STEPS[..], &[SECOND, "CREATE TABLE third (x); INSERT INTO nowhere VALUES (1)"]];
        assert!(migrate::run(&mut connection, NOW as u32, &half.concat()).is_err());
        let third = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'third')";
        assert_eq!(connection.query_row(third, [], |row| row.get(0)), Ok(false), "half a step is none");
        drop(connection);
        assert_eq!(versions(&scratch.0, "state.db"), (NOW + 1, true), "the whole one before it stands");
    }

    #[test]
    fn released_steps_stand_in_files_with_their_numbers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        let mut files: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()).collect();
        files.sort();
        assert_eq!(files.len(), migrate::STEPS.len(), "each file is a step");
        for ((number, step), file) in (1..).zip(migrate::STEPS).zip(&files) {
            let name = file.file_name().expect("a name").to_string_lossy();
            assert!(name.starts_with(&format!("{number:04}_")), "{name} is step {number}");
            assert_eq!(fs::read_to_string(file).expect("text"), step);
        }
    }
}
