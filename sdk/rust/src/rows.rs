//! A view of the row-major matrix of one call: one row per candidate, readings by column.
//! Must not know: which kind of plugin reads it.

use crate::column::{Column, Layout};

/// A word about the request that a plugin may ask for. An absent word crosses as an empty string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The model that is asked for.
    Model,
    /// The application, as its API key or headers name it.
    App,
    /// The conversation the request belongs to.
    Session,
    /// A tag the client gave the request.
    Tag,
    /// The endpoint called, such as `chat`.
    Endpoint,
}

impl Word {
    /// The name the contract knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Word::Model => "model",
            Word::App => "app",
            Word::Session => "session",
            Word::Tag => "tag",
            Word::Endpoint => "endpoint",
        }
    }
}

/// The rows of one call, one for each candidate.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    matrix: &'a [f64],
    call: Call<'a>,
}

/// One candidate and its readings.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    numbers: &'a [f64],
    call: Call<'a>,
}

/// What all rows of a call share.
#[derive(Clone, Copy, Debug)]
struct Call<'a> {
    layout: &'static Layout,
    asked: &'static [Word],
    words: &'a [String],
}

/// The numbers of a call do not have the shape that the plugin declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The matrix is not a whole number of rows.
    Matrix {
        /// Numbers received.
        numbers: usize,
        /// Numbers in one row.
        width: usize,
    },
    /// Another number of words than was asked for.
    Words {
        /// Words received.
        words: usize,
        /// Words asked for.
        asked: usize,
    },
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Malformed::Matrix { numbers, width } => {
                write!(f, "{numbers} numbers are not a whole number of rows of {width}")
            }
            Malformed::Words { words, asked } => write!(f, "{words} words instead of {asked}"),
        }
    }
}

impl std::error::Error for Malformed {}

impl<'a> Rows<'a> {
    /// Checks the shape of what the router sent, once per call.
    pub fn new(
        layout: &'static Layout,
        asked: &'static [Word],
        words: &'a [String],
        matrix: &'a [f64],
    ) -> Result<Rows<'a>, Malformed> {
        let width = layout.width();
        if !matrix.len().is_multiple_of(width) {
            return Err(Malformed::Matrix { numbers: matrix.len(), width });
        }
        if words.len() != asked.len() {
            return Err(Malformed::Words { words: words.len(), asked: asked.len() });
        }
        Ok(Rows { matrix, call: Call { layout, asked, words } })
    }

    /// The number of candidates.
    pub fn len(self) -> usize {
        self.matrix.len() / self.call.layout.width()
    }

    /// Whether there is no candidate at all.
    pub fn is_empty(self) -> bool {
        self.matrix.is_empty()
    }

    /// The candidates in the order in which they are to be answered.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Row<'a>> {
        let call = self.call;
        self.matrix.chunks_exact(call.layout.width()).map(move |numbers| Row { numbers, call })
    }

    /// The candidate with this slot.
    pub fn find(self, slot: u32) -> Option<Row<'a>> {
        self.iter().find(|row| row.slot() == slot)
    }
}

impl<'a> Row<'a> {
    /// The identity of the candidate; the topology uses the same number.
    pub fn slot(self) -> u32 {
        self.numbers.first().map_or(0, |slot| *slot as u32)
    }

    /// A reading, if it is known: `None` when it is NaN or outside the column's documented range.
    ///
    /// The column must be in the plugin's `COLUMNS`; natively, a debug build says so when it is not.
    pub fn get(self, column: Column) -> Option<f64> {
        let value = self.raw(column);
        column.accepts(value).then_some(value)
    }

    /// A reading that may be missing: `default` when it is NaN, `None` when it is outside the documented range.
    pub fn get_or(self, column: Column, default: f64) -> Option<f64> {
        if self.raw(column).is_nan() { Some(default) } else { self.get(column) }
    }

    /// A reading that may be missing: `Some(None)` when it is NaN, `None` when it is outside the documented range, so
    /// that `?` abstains from what cannot be true and the rest of the arithmetic sees what is not known.
    pub fn known(self, column: Column) -> Option<Option<f64>> {
        if self.raw(column).is_nan() { Some(None) } else { self.get(column).map(Some) }
    }

    /// A reading with the unit `-flag`, if it is known.
    pub fn flag(self, column: Column) -> Option<bool> {
        self.get(column).map(|value| value >= 0.5)
    }

    /// A reading exactly as it came, NaN where there is none. Prefer [`Row::get`].
    pub fn raw(self, column: Column) -> f64 {
        let place = self.call.layout.place(column);
        debug_assert!(place.is_some(), "`{}` is read but not in COLUMNS", column.name());
        place.and_then(|place| self.numbers.get(place)).copied().unwrap_or(f64::NAN)
    }

    /// A word about the request, if it has one.
    pub fn word(self, word: Word) -> Option<&'a str> {
        let place = self.call.asked.iter().position(|asked| *asked == word);
        debug_assert!(place.is_some(), "`{}` is read but not in WORDS", word.name());
        self.call.words.get(place?).map(String::as_str).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{MODEL_LOAD_MS, QUEUE_WAITING_MS};

    static LAYOUT: Layout = Layout::of(&[MODEL_LOAD_MS, QUEUE_WAITING_MS]);

    #[test]
    fn readings_outside_their_range_are_unknown() {
        let matrix = [7.0, 1.0, -2.0, 9.0, f64::NAN, f64::INFINITY];
        let rows = Rows::new(&LAYOUT, &[], &[], &matrix).unwrap();
        assert_eq!((rows.len(), rows.is_empty()), (2, false));
        let (first, second) = (rows.find(7).unwrap(), rows.find(9).unwrap());
        assert_eq!((first.get(MODEL_LOAD_MS), first.get(QUEUE_WAITING_MS)), (Some(1.0), None));
        assert_eq!((second.get(MODEL_LOAD_MS), second.get(QUEUE_WAITING_MS)), (None, None));
        assert_eq!(
            (second.get_or(MODEL_LOAD_MS, 5.0), first.get_or(MODEL_LOAD_MS, 5.0)),
            (Some(5.0), Some(1.0))
        );
        assert_eq!(second.get_or(QUEUE_WAITING_MS, 5.0), None);
        assert_eq!((second.known(MODEL_LOAD_MS), second.known(QUEUE_WAITING_MS)), (Some(None), None));
        assert_eq!(first.known(MODEL_LOAD_MS), Some(Some(1.0)));
        assert_eq!(second.raw(QUEUE_WAITING_MS), f64::INFINITY);
    }

    #[test]
    fn another_shape_than_the_declared_one_is_an_error() {
        let broken = Rows::new(&LAYOUT, &[], &[], &[1.0, 2.0]).unwrap_err();
        assert_eq!(broken, Malformed::Matrix { numbers: 2, width: 3 });
        assert_eq!(broken.to_string(), "2 numbers are not a whole number of rows of 3");
        let broken = Rows::new(&LAYOUT, &[Word::App], &[], &[]).unwrap_err();
        assert_eq!(broken, Malformed::Words { words: 0, asked: 1 });
    }

    #[test]
    fn an_empty_word_is_an_absent_one() {
        let words = [String::new(), "s1".to_owned()];
        let rows = Rows::new(&LAYOUT, &[Word::App, Word::Session], &words, &[1.0, 2.0, 3.0]).unwrap();
        let row = rows.iter().next().unwrap();
        assert_eq!((row.word(Word::App), row.word(Word::Session)), (None, Some("s1")));
    }
}
