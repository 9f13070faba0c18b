//! A table that fits a terminal: columns that matter less are left out, and what is too long gives way in its middle.
//! In a pipe it is whole, with tabs. Knows nothing of what it shows.

use crate::cli::terminal::{Terminal, Tone, shorten};

/// Between two columns.
const GAP: usize = 2;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// What stands over it.
    pub(crate) head: &'static str,
    /// How many columns of the terminal it needs at least; what is longer is shortened to fit. `None`: it is never
    /// shortened.
    pub(crate) least: Option<usize>,
    /// Which to leave out first where there is no room: the highest. 0 stays.
    pub(crate) spare: u8,
    /// Numbers stand at the right of their column.
    pub(crate) is_number: bool,
}

/// A cell and how it is meant.
pub(crate) type Cell = (String, Tone);

/// The table as text. Each row has a cell for each column.
pub(crate) fn text(columns: &[Column], rows: &[Vec<Cell>], terminal: Terminal) -> String {
    let Some(room) = terminal.columns() else {
        return piped(columns, rows);
    };
    let widths = fit(columns, rows, room);
    let heads: Vec<Cell> = columns.iter().map(|column| (column.head.to_owned(), Tone::Faint)).collect();
    let lines = std::iter::once(&heads).chain(rows).map(|row| line(columns, row, &widths, terminal));
    lines.collect()
}

fn piped(columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let heads = columns.iter().map(|column| column.head).collect::<Vec<_>>().join("\t");
    let line = |row: &Vec<Cell>| row.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("\t");
    std::iter::once(heads).chain(rows.iter().map(line)).map(|line| line + "\n").collect()
}

/// The width of each column; `None` = left out.
fn fit(columns: &[Column], rows: &[Vec<Cell>], room: usize) -> Vec<Option<usize>> {
    let length = |text: &str| text.chars().count();
    let widest = |index: usize, column: &Column| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|(text, _)| length(text));
        cells.chain([length(column.head)]).max().unwrap_or(0)
    };
    let mut widths: Vec<_> =
        columns.iter().enumerate().map(|(index, column)| Some(widest(index, column))).collect();
    loop {
        let used = |widths: &[Option<usize>]| {
            let shown = widths.iter().flatten();
            shown.clone().sum::<usize>() + GAP * shown.count().saturating_sub(1)
        };
        let over = used(&widths).saturating_sub(room);
        if over == 0 {
            return widths;
        }
        // First the longest that can give way does, by one at a time: two long ones share what is missing.
        let can_shrink = |(index, width): (usize, &Option<usize>)| {
            let width = (*width)?;
            let least = columns.get(index)?.least?;
            let slack = width.checked_sub(least)?;
            (slack > 0).then_some((slack, index))
        };
        let slack: usize = widths.iter().enumerate().filter_map(can_shrink).map(|(slack, _)| slack).sum();
        let shown = columns.iter().zip(&widths).filter(|(_, width)| width.is_some());
        let spare = shown.map(|(column, _)| column.spare).max().unwrap_or(0);
        if slack < over && spare > 0 {
            let out = columns.iter().zip(&mut widths).filter(|(column, _)| column.spare == spare);
            out.for_each(|(_, width)| *width = None);
            continue;
        }
        let Some((_, index)) = widths.iter().enumerate().filter_map(can_shrink).max() else {
            // Nothing gives way any more: the terminal wraps.
            return widths;
        };
        if let Some(Some(width)) = widths.get_mut(index) {
            *width -= 1;
        }
    }
}

fn line(columns: &[Column], row: &[Cell], widths: &[Option<usize>], terminal: Terminal) -> String {
    let mut out = String::new();
    let mut pending = 0;
    for ((column, (text, tone)), width) in columns.iter().zip(row).zip(widths) {
        let Some(width) = *width else { continue };
        let text = shorten(text, width);
        let space = width.saturating_sub(text.chars().count());
        let (before, after) = if column.is_number { (space, 0) } else { (0, space) };
        // Spaces are written before the next text, so that none ends a line.
        out.push_str(&" ".repeat(pending + before));
        out.push_str(&terminal.paint(*tone, &text));
        pending = after + GAP;
    }
    out.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Column = Column { head: "NAME", least: Some(8), spare: 0, is_number: false };
    const COUNT: Column = Column { head: "N", least: None, spare: 0, is_number: true };
    const WHERE: Column = Column { head: "WHERE", least: Some(10), spare: 1, is_number: false };
    const MORE: Column = Column { head: "MORE", least: None, spare: 2, is_number: false };

    fn rows() -> Vec<Vec<Cell>> {
        let row = |cells: [&str; 4]| cells.map(|cell| (cell.to_owned(), Tone::Plain)).to_vec();
        vec![
            row(["a-rather-long-name", "7", "[fe80::1234:5678:9abc]:11434", "x"]),
            row(["b", "12", "10.0.0.5:11434", ""]),
        ]
    }

    fn drawn(columns: usize) -> String {
        text(&[NAME, COUNT, WHERE, MORE], &rows(), Terminal::of(columns, 24, false))
    }

    #[test]
    fn with_room_everything_is_whole_and_aligned() {
        let expected = "\
NAME                 N  WHERE                         MORE
a-rather-long-name   7  [fe80::1234:5678:9abc]:11434  x
b                   12  10.0.0.5:11434
";
        assert_eq!(drawn(80), expected);
    }

    #[test]
    fn the_longest_gives_way_first_and_then_what_can_be_spared() {
        for columns in [50, 40, 30, 24] {
            let drawn = drawn(columns);
            assert!(drawn.lines().all(|line| line.chars().count() <= columns), "{columns}:\n{drawn}");
        }
        assert!(drawn(50).contains("MORE"), "{}", drawn(50));
        assert!(!drawn(28).contains("MORE") && drawn(28).contains("WHERE"), "{}", drawn(28));
        assert!(!drawn(20).contains("WHERE") && drawn(20).contains("a-rat"), "{}", drawn(20));
    }

    #[test]
    fn whatever_the_room_nothing_is_wider_where_it_can_be_helped() {
        let short = vec![["b", "1", "x:1", ""].map(|cell| (cell.to_owned(), Tone::Plain)).to_vec()];
        for rows in [rows(), short, Vec::new()] {
            for columns in 1..100 {
                let drawn = text(&[NAME, COUNT, WHERE, MORE], &rows, Terminal::of(columns, 24, false));
                // A name of 8 and a number of 2 columns, and what is between them, is the least.
                assert!(
                    drawn.lines().all(|line| line.chars().count() <= columns.max(12)),
                    "{columns}:\n{drawn}"
                );
            }
        }
    }

    #[test]
    fn a_pipe_gets_tabs_and_everything() {
        let piped = text(&[NAME, COUNT, WHERE, MORE], &rows(), Terminal::default());
        assert_eq!(
            piped,
            "NAME\tN\tWHERE\tMORE\na-rather-long-name\t7\t[fe80::1234:5678:9abc]:11434\tx\nb\t12\t10.0.0.5:11434\t\n"
        );
    }
}
