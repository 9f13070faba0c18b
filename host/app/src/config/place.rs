//! Where a value was said, and what is wrong with it: every problem names the place at which to mend it. Knows
//! no key and no value.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// More problems than this are counted only: the first ones usually explain the rest.
const MOST_TOLD: usize = 50;

/// Where a value was said. The order is that of precedence, and problems are told in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// On the command line, as it is written there.
    Flag(String),
    /// In an environment variable of this name.
    Variable(String),
    /// In a file.
    File {
        path: Arc<Path>,
        /// From 1; 0 stands for the file as a whole.
        line: usize,
        /// Characters from 1.
        column: usize,
    },
    /// Nowhere: it is what holds when nobody says anything.
    Default,
}

impl Place {
    /// The whole of a file.
    pub(crate) fn whole(path: &Path) -> Self {
        Self::File { path: path.into(), line: 0, column: 0 }
    }

    /// As the source of a value: without the column, which only matters where something is to be mended.
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Flag(flag) => format!("flag {flag}"),
            Self::Variable(name) => format!("environment {name}"),
            Self::File { path, line, .. } => format!("{}:{line}", path.display()),
            Self::Default => "default".to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(text) | Self::Variable(text) => out.write_str(text),
            Self::File { path, line: 0, .. } => write!(out, "{}", path.display()),
            Self::File { path, line, column } => write!(out, "{}:{line}:{column}", path.display()),
            Self::Default => out.write_str("the default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    place: Place,
    what: String,
}

impl Problem {
    /// Something about a place as a whole, or about a key that `what` names.
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }

    /// Something about the value of `key`. Only files need it named: flags and variables are named after it.
    pub(crate) fn of(key: &str, place: &Place, what: impl fmt::Display) -> Self {
        let what = match place {
            Place::File { .. } => format!("{key}: {what}"),
            _ => what.to_string(),
        };
        Self { place: place.clone(), what }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            // A sentence that begins with the flag.
            Place::Flag(flag) => write!(out, "{flag} {}", self.what),
            place => write!(out, "{place}: {}", self.what),
        }
    }
}

/// Everything that is wrong, in the order of precedence and then of lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// An error if there is any problem.
    pub(crate) fn none_in(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// Each in a line, as many as are told.
    pub(crate) fn each(&self) -> Vec<String> {
        self.0.iter().take(MOST_TOLD).map(ToString::to_string).collect()
    }

    /// What to do about them.
    pub(crate) fn next(&self) -> &'static str {
        let of_agent = |flag: &str| ["--backend", "--name", "--port", "--router"].contains(&flag);
        if self.0.iter().all(|problem| matches!(&problem.place, Place::Flag(flag) if of_agent(flag))) {
            "`herdwick node --help` shows how each of them is written"
        } else if self.0.iter().all(|problem| matches!(problem.place, Place::Flag(_))) {
            "write each node like http://10.0.0.5:11434 or studio=http://10.0.0.5:11434,slots=4"
        } else {
            "mend what is named above; `herdwick config check` reads it all again, `herdwick config init` writes an \
             example"
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Lines after the first stand under the text behind "error: ".
        out.write_str(&self.each().join("\n       "))?;
        match self.0.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => write!(out, "\n       and {more} more"),
        }
    }
}
