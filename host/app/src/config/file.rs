//! A TOML file as a table of values with their lines. Knows how TOML is written and no key of ours.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::place::{Place, Problem};
use super::raw::{Given, Raw, Table};

/// Bytes of a file. A thousand nodes need a tenth of it.
const FILE_BYTES: u64 = 1 << 20;

/// The text of a file; `None` when there is no such file.
pub(crate) fn text(path: &Path) -> Result<Option<String>, Problem> {
    let refused = |what: String| Problem::new(Place::whole(path), what);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(format!("cannot be read: {error}"))),
    };
    let mut text = String::new();
    match file.take(FILE_BYTES + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > FILE_BYTES => {
            Err(refused(format!("is larger than {} MiB, which no configuration is", FILE_BYTES >> 20)))
        }
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(refused(format!("cannot be read: {error}"))),
    }
}

/// Reads a file's text, or tells one problem for each line that is no TOML.
pub(crate) fn table(path: &Path, text: &str) -> Result<Table, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path: path.into(), text, problems: Vec::new() };
    if errors.is_empty() {
        let table = reader.table(document.get_ref());
        return if reader.problems.is_empty() { Ok(table) } else { Err(reader.problems) };
    }
    // What follows an error on its line is mostly its echo.
    let mut spans: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or_default(), error.message())).collect();
    spans.sort_by_key(|(span, _)| span.start);
    let mut last = 0;
    for (span, message) in spans {
        let (line, column) = reader.position(span.start);
        if line != last {
            last = line;
            let place = Place::File { path: Arc::clone(&reader.path), line, column };
            reader.problems.push(Problem::new(place, format!("this is no TOML: {message}")));
        }
    }
    Err(reader.problems)
}

struct Reader<'a> {
    path: Arc<Path>,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Table {
        let mut out = Table::new();
        for (key, value) in table {
            let mut given = self.given(value);
            given.key = self.place(key.span());
            out.insert(key.get_ref().to_string(), given);
        }
        out
    }

    fn given(&mut self, value: &Spanned<DeValue<'_>>) -> Given {
        let place = self.place(value.span());
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => self.integer(number, &place),
            DeValue::Float(number) => Raw::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Raw::Flag(*flag),
            DeValue::Datetime(_) => Raw::Date,
            DeValue::Array(values) => Raw::List(values.iter().map(|value| self.given(value)).collect()),
            DeValue::Table(table) => Raw::Table(self.table(table)),
        };
        Given::new(raw, place)
    }

    fn integer(&mut self, number: &DeInteger<'_>, place: &Place) -> Raw {
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => {
                let what = format!("{number} is further from zero than any number here");
                self.problems.push(Problem::new(place.clone(), what));
                Raw::Integer(0)
            }
        }
    }

    fn place(&self, span: Range<usize>) -> Place {
        let (line, column) = self.position(span.start);
        Place::File { path: Arc::clone(&self.path), line, column }
    }

    /// Line and column, both from 1, of a byte of the text. A byte-order mark is not seen by people.
    fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(self.text).trim_start_matches('\u{feff}');
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let problems = table(Path::new("h.toml"), text).expect_err(text);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_line_that_is_no_toml_is_told_once() {
        for (text, problems) in [
            ("listen\n", &["h.toml:1:7: this is no TOML: key with no value, expected `=`"][..]),
            ("a = 1\na = 2\n", &["h.toml:2:1: this is no TOML: duplicate key"]),
            ("[a]\n[a]\n", &["h.toml:2:2: this is no TOML: duplicate key"]),
            (
                "a = here\nb = 1\nc = 'x\n",
                &[
                    "h.toml:1:5: this is no TOML: string values must be quoted, expected literal string",
                    "h.toml:3:7: this is no TOML: invalid literal string, expected `'`",
                ],
            ),
            (
                "a = 99999999999999999999",
                &["h.toml:1:5: 99999999999999999999 is further from zero than any number here"],
            ),
        ] {
            assert_eq!(told(text), problems, "{text}");
        }
    }

    #[test]
    fn places_are_counted_in_characters_and_without_a_byte_order_mark() {
        let table =
            table(Path::new("h.toml"), "\u{feff}\"ä\" = 1\n\"ö\" = { b = [2] }\n").expect("good TOML");
        let places: Vec<_> = table.values().map(|given| format!("{} {}", given.key, given.place)).collect();
        assert_eq!(places, ["h.toml:1:1 h.toml:1:7", "h.toml:2:1 h.toml:2:7"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_a_missing_one() {
        assert_eq!(text(Path::new("no/such.toml")), Ok(None));
        let folder = text(Path::new(".")).expect_err("a folder");
        assert!(folder.to_string().starts_with(".: cannot be read: "), "{folder}");
    }
}
