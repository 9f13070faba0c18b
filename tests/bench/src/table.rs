//! Tables for a terminal and for a README, out of rows of texts.

use crate::figure::{Against, DIRECT, FIGURES, Figure, NGINX, Spread, Target};
use crate::rounds::Series;

/// A table in the making.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With this head.
    pub fn new(head: Vec<String>) -> Self {
        Self { rows: vec![head] }
    }

    /// One more row; what it has too few of stays empty.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// For a terminal: columns stand below each other.
    pub fn plain(&self) -> String {
        self.lines("  ", "", None)
    }

    /// For a README.
    pub fn markdown(&self) -> String {
        self.lines(" | ", "|", Some('-'))
    }

    fn lines(&self, between: &str, around: &str, rule: Option<char>) -> String {
        let columns = self.width();
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = padded.collect::<Vec<_>>().join(between);
            let line = if around.is_empty() {
                line.trim_end().to_owned()
            } else {
                format!("{around} {line} {around}")
            };
            text.push_str(&line);
            text.push('\n');
        };
        for (index, row) in self.rows.iter().enumerate() {
            line((0..columns).map(|column| cell(row, column)).collect());
            if let (0, Some(rule)) = (index, rule) {
                line(widths.iter().map(|width| rule.to_string().repeat(*width)).collect());
            }
        }
        text
    }
}

/// The table of what was measured under load; `names` are those of the systems.
pub fn under_load(names: &[String], all: &[Series]) -> Table {
    let routers = names.iter().enumerate().skip(NGINX + 1);
    let mut head = vec!["figure".to_owned()];
    head.extend(names.iter().take(NGINX + 1).cloned());
    head.extend(routers.clone().flat_map(|(_, name)| [name.clone(), "compared".to_owned()]));
    head.push("target".to_owned());
    let mut table = Table::new(head);
    for figure in FIGURES {
        let Some(series) = all.iter().find(|series| series.kind == figure.kind) else { continue };
        let mut row = vec![figure.name.to_owned()];
        row.extend([DIRECT, NGINX].map(|system| own(figure, series, system)));
        for (system, _) in routers.clone() {
            row.push(own(figure, series, system));
            row.push(compared(figure, series, system));
        }
        row.push(wanted(figure));
        table.push(row);
    }
    table
}

fn own(figure: &Figure, series: &Series, system: usize) -> String {
    match figure.value(series, system) {
        // Nobody's process stands between client and backend, so there is no time to tell.
        Some(Spread { median: 0.0, .. }) | None => "–".to_owned(),
        Some(Spread { median, .. }) if median >= 1_000.0 => format!("{median:.0}"),
        Some(Spread { median, .. }) => format!("{median:.1}"),
    }
}

fn compared(figure: &Figure, series: &Series, system: usize) -> String {
    let Some(Spread { median, low, high, .. }) = figure.compared(series, system) else {
        return "–".to_owned();
    };
    let short = if figure.target.is_met(median) { "" } else { " ✗" };
    match figure.against {
        Against::Direct => format!("+{median:.0} µs ({low:.0} to {high:.0}){short}"),
        Against::Nginx | Against::NginxAdded => format!("{median:.2} ({low:.2} to {high:.2}){short}"),
    }
}

fn wanted(figure: &Figure) -> String {
    let unit = if figure.against == Against::Direct { " µs over direct" } else { " × nginx" };
    match figure.target {
        Target::AtLeast(wanted) => format!("≥ {wanted}{unit}"),
        Target::AtMost(wanted) => format!("≤ {wanted}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(vec!["a".into(), "µs".into()]);
        table.push(vec!["long".into(), "1".into()]);
        table.push(vec!["x".into()]);
        assert_eq!(table.plain(), "a     µs\nlong  1\nx\n");
        assert_eq!(table.markdown(), "| a    | µs |\n| ---- | -- |\n| long | 1  |\n| x    |    |\n");
    }
}
