//! How commands print: aligned columns on a terminal, tabs in a pipe, JSON when asked for.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

/// Prints text. A reader that closes its end early is no failure.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints text for somebody who may stop reading at any time; says whether they still read.
pub(crate) fn still_read(text: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

/// Prints JSON for programs: stable field names, two spaces.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints a table: aligned for people, tab-separated in a pipe.
pub(crate) fn table(rows: &[Vec<String>]) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() {
        return text(&columns(rows));
    }
    let lines = rows.iter().map(|row| row.join("\t") + "\n");
    text(&lines.collect::<String>())
}

/// Rows with their cells aligned, two spaces between columns, no spaces at the end of a line.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Milliseconds as people say them.
pub(crate) fn ms(ms: f64) -> String {
    herdwick_fleet::moment::Ms(ms).to_string()
}

/// A size as people say it.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Seconds as people say them: the two largest units.
pub(crate) fn lasting(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, of: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {of}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => two(minutes, "min", seconds % 60, "s"),
        (0, _, _) => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_clean() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["node", "total"]), row(&["studio-desk", "0 ms"]), row(&["é", ""])];
        assert_eq!(columns(&rows), "node         total\nstudio-desk  0 ms\né\n");
    }

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!([0, 999, 1_204, 1_234_567].map(count), ["0", "999", "1,204", "1,234,567"]);
        let said = [5, 65, 7_200, 7_500, 90_000].map(lasting);
        assert_eq!(said, ["5 s", "1 min 5 s", "2 h", "2 h 5 min", "1 d 1 h"]);
        assert_eq!([12, 45_000, 5_200_000_000].map(bytes), ["12 bytes", "45 KB", "5.2 GB"]);
    }
}
