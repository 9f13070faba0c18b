//! What standard output is: a terminal with a size and perhaps colours, or a pipe that gets plain text.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// Columns that every terminal has, and that text is wrapped to in a pipe.
pub(crate) const COLUMNS: usize = 80;
/// Rows of a terminal that does not say.
const ROWS: usize = 24;

/// Standard output.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terminal {
    colours: bool,
    /// Columns and rows.
    size: Option<(usize, usize)>,
}

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// What one looks for first.
    Strong,
    /// What one rarely needs.
    Faint,
    Good,
    Warn,
    Bad,
}

impl Terminal {
    /// As it is now. Colours only on a terminal that has them, and not where `NO_COLOR` asks for none
    /// (no-color.org).
    pub(crate) fn stdout() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::default();
        }
        let says = |name| std::env::var_os(name).unwrap_or_default();
        let colours = says("NO_COLOR").is_empty() && says("TERM") != "dumb";
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let size = size.map(|(columns, rows)| (usize::from(columns.0), usize::from(rows.0)));
        Self { colours, size: Some(size.unwrap_or((COLUMNS, ROWS))) }
    }

    /// Whether people look at it.
    pub(crate) fn is_there(self) -> bool {
        self.size.is_some()
    }

    /// Whether it understands escape sequences that move the cursor.
    pub(crate) fn moves(self) -> bool {
        self.is_there() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Whether it takes marks beyond ASCII: who asks for no colours asks for plain text, and not every locale has them.
    pub(crate) fn marks(self) -> bool {
        self.colours && utf8(|name| std::env::var(name).ok())
    }

    /// Columns, where they are a bound: a pipe has none.
    pub(crate) fn columns(self) -> Option<usize> {
        self.size.map(|(columns, _)| columns)
    }

    /// Rows, where they are a bound.
    pub(crate) fn rows(self) -> Option<usize> {
        self.size.map(|(_, rows)| rows)
    }

    /// The text as it is meant.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => "",
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
        };
        if !self.colours || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether the locale has more than ASCII. POSIX asks the three variables in this order, and the first that says
/// something counts; where nobody says anything, as on Windows, terminals have it today.
fn utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|said| !said.is_empty());
    said.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The text in lines of at most `columns`, broken at spaces; every line after the first begins with `indent` spaces.
pub(crate) fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut at = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if at > indent && at + 1 + length > columns {
            // Writing to a string cannot fail.
            let _ = write!(out, "\n{:indent$}", "");
            at = indent;
        } else if at > indent {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += length;
    }
    out
}

/// The text in at most `columns`: the middle gives way, since a name's end tells as much as its beginning.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns || columns < 3 {
        return text.to_owned();
    }
    let head = columns / 2;
    let tail = columns - head - 1;
    let first: String = text.chars().take(head).collect();
    let last: String = text.chars().skip(length - tail).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
impl Terminal {
    /// A terminal of this size.
    pub(crate) fn of(columns: usize, rows: usize, colours: bool) -> Self {
        Self { colours, size: Some((columns, rows)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_no_colours() {
        assert_eq!(Terminal::default().paint(Tone::Bad, "x"), "x");
        assert_eq!(Terminal::of(80, 24, true).paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Terminal::of(80, 24, false).paint(Tone::Bad, "x"), "x");
    }

    #[test]
    fn marks_beyond_ascii_need_a_locale_that_has_them() {
        for (variables, has) in [
            (&[][..], true),
            (&[("LANG", "de_DE.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "C")], false),
            (&[("LC_ALL", "POSIX"), ("LANG", "de_DE.UTF-8")], false),
            (&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")], true),
        ] {
            let found = |name: &str| variables.iter().find(|(has, _)| *has == name);
            assert_eq!(utf8(|name| found(name).map(|(_, value)| (*value).to_owned())), has, "{variables:?}");
        }
    }

    #[test]
    fn text_is_broken_at_spaces_and_names_in_their_middle() {
        assert_eq!(wrap("one two three", 9, 2), "one two\n  three");
        assert_eq!(wrap("averylongword b", 5, 0), "averylongword\nb");
        assert_eq!(shorten("hf.co/bartowski/llama:q4", 11), "hf.co…ma:q4");
        assert_eq!(shorten("short", 11), "short");
    }
}
