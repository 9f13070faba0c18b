//! An error as people need it: what happened, why, and what to do next.

use std::fmt;
use std::io::Write as _;

/// What happened and what to do. The why is the error's source.
#[derive(Debug)]
pub(crate) struct Failed {
    what: String,
    next: String,
    why: Option<anyhow::Error>,
}

impl Failed {
    /// Without a deeper cause: `what` says it all.
    pub(crate) fn plainly(what: impl Into<String>, next: impl Into<String>) -> anyhow::Error {
        Self { what: what.into(), next: next.into(), why: None }.into()
    }

    /// Because of `why`.
    pub(crate) fn because(
        why: impl Into<anyhow::Error>,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> anyhow::Error {
        Self { what: what.into(), next: next.into(), why: Some(why.into()) }.into()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.why.as_ref().map(AsRef::as_ref)
    }
}

/// An error of the system without its number, which tells people nothing.
pub(crate) fn plain(error: &str) -> String {
    match error.split_once(" (os error ") {
        Some((said, rest)) => format!("{said}{}", rest.split_once(')').map_or("", |(_, after)| after)),
        None => error.to_owned(),
    }
}

/// Prints an error to standard error: `error`, `cause` for each deeper one, `next`.
pub(crate) fn print(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("cause: {}\n", plain(&cause.to_string())));
    }
    let next = error.chain().find_map(|error| error.downcast_ref::<Failed>()).map(|failed| &failed.next);
    if let Some(next) = next {
        text.push_str(&format!("next:  {next}\n"));
    }
    // Without a standard error there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_systems_error_is_told_in_words_alone() {
        for (error, told) in [
            ("Connection refused (os error 111)", "Connection refused"),
            ("no connection (Connection refused (os error 111))", "no connection (Connection refused)"),
            ("broken", "broken"),
        ] {
            assert_eq!(plain(error), told);
        }
    }
}
