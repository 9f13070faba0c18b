//! Columns: the named readings a plugin asks for, and where each lies in a row.
//! Must not know: what any reading is worth to a signal.

mod known;

pub use known::*;

/// One named reading, such as `queue.waiting-ms`.
///
/// The name is `group.what-unit`; the unit is its end. A column that this SDK does not list yet is made
/// with [`Column::custom`], so that a newer router can offer readings to an older SDK.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    name: &'static str,
    /// Place in [`Column::ALL`]; `None` for a custom column, which is found by its name.
    id: Option<u8>,
    optional: bool,
    range: (f64, f64),
}

impl Column {
    /// Every column this version of the SDK knows, in the order of their ids.
    pub const ALL: &'static [Column] = &ALL;

    /// The units that end a column's name.
    pub const UNITS: &'static [&'static str] =
        &["ms", "bytes", "tokens", "count", "per-s", "per-token", "ratio", "flag", "level"];

    const fn known(id: u8, name: &'static str, range: (f64, f64)) -> Column {
        Column { name, id: Some(id), optional: false, range }
    }

    /// A column that this SDK does not list, with the smallest and largest value that make sense.
    pub const fn custom(name: &'static str, min: f64, max: f64) -> Column {
        Column { name, id: None, optional: false, range: (min, max) }
    }

    /// The name, without the mark of an optional column.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The place in [`Column::ALL`], or `None` for a custom column.
    pub const fn id(self) -> Option<u8> {
        self.id
    }

    /// Whether a router that does not have this reading may still load the plugin.
    pub const fn is_optional(self) -> bool {
        self.optional
    }

    /// Whether `value` is finite and inside the range documented for this column.
    pub fn accepts(self, value: f64) -> bool {
        value >= self.range.0 && value <= self.range.1
    }

    /// The name as the contract wants it: `?` in front of an optional column.
    pub fn declared(self) -> String {
        if self.optional { ["?", self.name].concat() } else { self.name.to_owned() }
    }
}

/// The same column, marked as one the plugin can do without: the router sends NaN where it has no such reading.
pub const fn optional(column: Column) -> Column {
    Column { optional: true, ..column }
}

/// Whether `name` obeys the grammar `group.what-unit`: lower case, digits and dashes, a unit at the end.
pub fn is_name(name: &str) -> bool {
    let part = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let Some((group, what)) = name.split_once('.') else {
        return false;
    };
    part(group)
        && part(what)
        && Column::UNITS
            .iter()
            .any(|unit| what.strip_suffix(unit).is_some_and(|rest| rest.is_empty() || rest.ends_with('-')))
}

/// Where each declared column lies in a row, worked out once, at compile time.
#[derive(Debug)]
pub struct Layout {
    columns: &'static [Column],
    /// For each known column its place in a row; 0, the slot's place, means that it was not declared.
    place: [u8; KNOWN],
}

impl Layout {
    /// The layout of a plugin that declares these columns. More than 64 do not compile in a constant.
    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated at compile time, where a bad index is a compile error"
    )]
    pub const fn of(columns: &'static [Column]) -> Layout {
        assert!(columns.len() <= 64, "a plugin may ask for 64 columns");
        let mut place = [0; KNOWN];
        let mut index = 0;
        while index < columns.len() {
            if let Some(id) = columns[index].id {
                place[id as usize] = index as u8 + 1;
            }
            index += 1;
        }
        Layout { columns, place }
    }

    /// Numbers per row: the slot and the declared columns.
    pub const fn width(&self) -> usize {
        self.columns.len() + 1
    }

    /// The place of `column` in a row, or `None` when the plugin did not declare it.
    pub fn place(&self, column: Column) -> Option<usize> {
        match column.id {
            Some(id) => match self.place.get(usize::from(id)) {
                Some(0) | None => None,
                Some(place) => Some(usize::from(*place)),
            },
            None => self.columns.iter().position(|other| other.name == column.name).map(|index| index + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_places_and_names_obey_the_grammar_and_are_unique() {
        for (index, column) in Column::ALL.iter().enumerate() {
            assert_eq!(column.id, Some(index as u8), "{}", column.name);
            assert!(is_name(column.name), "{}", column.name);
            assert!(column.range.0 < column.range.1, "{}", column.name);
            assert!(Column::ALL.iter().filter(|other| other.name == column.name).count() == 1);
        }
    }

    #[test]
    fn names_without_group_or_unit_are_refused() {
        for name in
            ["", "queue", "queue.", ".waiting-ms", "queue.waiting", "Queue.waiting-ms", "queue.waitingms"]
        {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_layout_finds_known_optional_and_custom_columns_and_no_others() {
        const WATTS: Column = Column::custom("node.watt-level", 0.0, 9000.0);
        static LAYOUT: Layout = Layout::of(&[MODEL_LOAD_MS, optional(NET_RTT_MS), WATTS]);
        assert_eq!(LAYOUT.width(), 4);
        assert_eq!(LAYOUT.place(MODEL_LOAD_MS), Some(1));
        assert_eq!(LAYOUT.place(NET_RTT_MS), Some(2));
        assert_eq!(LAYOUT.place(WATTS), Some(3));
        assert_eq!(LAYOUT.place(MODEL_BYTES), None);
        assert_eq!(optional(NET_RTT_MS).declared(), "?net.rtt-ms");
    }
}
