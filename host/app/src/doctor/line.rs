//! One line of what `herdwick doctor` says: what was looked at, what was found, and when that is not well the cause
//! and what to type. Knows nothing of how it was found out.

use serde::Serialize;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// Works, and somebody should know.
    Note,
    /// Does not work.
    Problem,
    /// Was not looked at; why not.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// What was looked at, in one word or two.
    pub(crate) check: String,
    /// How well it is.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// Why that is so, or what it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    /// What to type; one of them is enough, unless `fix` says otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) commands: Vec<String>,
}

impl Line {
    /// It is as it should be.
    pub(crate) fn good(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::of(Verdict::Good, check, found)
    }

    /// It works, and somebody should know.
    pub(crate) fn note(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::of(Verdict::Note, check, found)
    }

    /// It does not work.
    pub(crate) fn problem(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::of(Verdict::Problem, check, found)
    }

    /// It was not looked at.
    pub(crate) fn skipped(check: impl Into<String>, why: impl Into<String>) -> Self {
        Self::of(Verdict::Skipped, check, why)
    }

    /// It is as it is.
    pub(crate) fn of(verdict: Verdict, check: impl Into<String>, found: impl Into<String>) -> Self {
        let (check, found) = (check.into(), found.into());
        Self { check, verdict, found, cause: None, fix: None, commands: Vec::new() }
    }

    /// With why it is so.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With what to do.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// With something to type.
    pub(crate) fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}
