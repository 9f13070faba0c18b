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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_clean() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["node", "total"]), row(&["studio-desk", "0 ms"]), row(&["é", ""])];
        assert_eq!(columns(&rows), "node         total\nstudio-desk  0 ms\né\n");
    }
}
