//! Who asks, as far as it says something about how long its answers get: a short name that a program calls itself by.
//! Must not know any key, address or person.

use std::fmt;
use std::sync::Arc;

/// An application's name: 1 to [`App::MOST`] of `a-z 0-9 . _ -`. The empty name is whoever says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct App(Arc<str>);

impl App {
    /// Bytes of a name; what is longer is cut.
    pub const MOST: usize = 40;

    /// Of what a program calls itself: up to the first character that is none of a name's, in lower case. So
    /// `OpenAI/Python 1.52.0` is `openai`: a new version of a program is the same program.
    pub fn new(told: &str) -> Self {
        let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = told.trim().chars().take_while(is_allowed).take(Self::MOST).collect();
        Self(name.to_ascii_lowercase().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_name_and_not_by_its_version() {
        for (told, name) in [
            ("OpenAI/Python 1.52.0", "openai"),
            ("openai/Python 2.0", "openai"),
            ("curl/8.5.0", "curl"),
            ("  my-app ", "my-app"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "mozilla"),
            ("", ""),
            ("\u{1b}[31m", ""),
        ] {
            assert_eq!(App::new(told).as_str(), name, "{told:?}");
        }
        assert_eq!(App::new(&"a".repeat(500)).as_str().len(), App::MOST);
    }
}
