//! What is wrong with a beat, collected: each problem with its field, its cause and what to do next.

use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::limits;

/// The problems of one beat.
#[derive(Default)]
pub(crate) struct Check {
    problems: Vec<String>,
    /// Those that are not told any more.
    further: usize,
}

impl Check {
    /// Whether nothing is wrong so far.
    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// All that is wrong.
    pub(crate) fn done(mut self) -> Result<(), Vec<String>> {
        if self.further > 0 {
            self.problems.push(format!("and {} more", self.further));
        }
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    /// This field is wrong for this cause; what to do next.
    pub(crate) fn wrong(&mut self, field: impl Display, cause: impl Display, next: &str) {
        if self.problems.len() < limits::PROBLEMS {
            self.problems.push(format!("{field}: {cause}; {next}"));
        } else {
            self.further += 1;
        }
    }

    /// A text of at most so many bytes, that does nothing to a terminal.
    pub(crate) fn text(&mut self, field: impl Display, text: &str, most: usize) {
        if text.len() > most {
            self.wrong(
                field,
                format_args!("{} has {} bytes", Quoted(text), text.len()),
                &format!("{most} are taken"),
            );
        } else if text.chars().any(char::is_control) {
            self.wrong(field, Quoted(text), "leave out what only controls terminals");
        }
    }

    /// At most so many of something.
    pub(crate) fn most(&mut self, field: impl Display, count: usize, most: usize) {
        if count > most {
            self.wrong(field, format_args!("there are {count}"), &format!("{most} are taken"));
        }
    }

    /// A count that can be.
    pub(crate) fn count(&mut self, field: impl Display, count: u32) {
        if count > limits::COUNT {
            self.wrong(field, count, &format!("at most {} is believed", limits::COUNT));
        }
    }

    /// As many bytes as there can be.
    pub(crate) fn bytes(&mut self, field: impl Display, bytes: u64) {
        if bytes > limits::BYTES {
            self.wrong(field, bytes, "no machine has as many bytes");
        }
    }

    /// A number within a range. Not a number is in none.
    pub(crate) fn number(&mut self, field: impl Display, value: f64, range: &RangeInclusive<f64>) {
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            let next = format!("it lies between {least} and {most}; leave it out when it is not known");
            self.wrong(field, value, &next);
        }
    }

    /// A number within a range, where it is known.
    pub(crate) fn known(&mut self, field: impl Display, value: Option<f64>, range: &RangeInclusive<f64>) {
        if let Some(value) = value {
            self.number(field, value, range);
        }
    }

    /// As many bytes as the whole of which they are a part has at most.
    pub(crate) fn part(&mut self, field: impl Display, bytes: u64, whole: u64) {
        if bytes > whole {
            self.wrong(field, bytes, &format!("it is a part of {whole}"));
        }
    }

    /// An age at which something is still worth telling.
    pub(crate) fn age(&mut self, field: impl Display, age_ms: u64, most: Duration) {
        if Duration::from_millis(age_ms) > most {
            let next = format!("leave out what is older than {} s", most.as_secs());
            self.wrong(field, format_args!("it is {age_ms} ms old"), &next);
        }
    }
}

/// As much of an error as people read. It can repeat a text of any length, whose odd characters it has escaped.
pub(crate) fn cut(error: &str) -> String {
    const MOST: usize = 160;
    let mut cut: String = error.chars().take(MOST).collect();
    if cut.len() < error.len() {
        cut.push('…');
    }
    cut
}

/// What somebody wrote, inside what we write: quoted, escaped, cut.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MOST: usize = 40;
        let cut: String = self.0.chars().take(MOST).collect();
        write!(out, "{cut:?}")?;
        if cut.len() < self.0.len() { out.write_char('…') } else { Ok(()) }
    }
}
