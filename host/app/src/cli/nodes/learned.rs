//! The part of `herdwick nodes show` that tells what was learned of a machine: how fast its models are, and when it is
//! ours.

use herdwick_wire::learned::{HolderView, HoursView, NodeLearnedView};

use super::grid::{self, Column};
use crate::cli::rates;
use crate::cli::terminal::{COLUMNS, Terminal, Tone, wrap};

const MODEL: Column = Column { head: "LEARNED", least: Some(12), spare: 0, is_number: false };
/// Hours of a day.
const DAY: usize = 24;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The more of an hour a machine is ours, the higher its mark.
const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same where there is only ASCII: tenths.
const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// The section; empty where nothing was learned.
pub(crate) fn text(view: &NodeLearnedView, terminal: Terminal) -> String {
    let mut out = speeds(&view.holders, terminal);
    let hours = hours(&view.hours, terminal);
    if !hours.is_empty() {
        out += &format!("\n{hours}");
    }
    out
}

/// A line for each model of which something was learned.
fn speeds(holders: &[HolderView], terminal: Terminal) -> String {
    let known: Vec<_> = holders.iter().filter(|holder| rates::newest(&holder.speed).is_some()).collect();
    if known.is_empty() {
        return String::new();
    }
    let columns: Vec<_> = [MODEL].into_iter().chain(rates::COLUMNS).collect();
    let row = |holder: &&HolderView| {
        let name = (holder.model.name.clone(), Tone::Plain);
        [name].into_iter().chain(rates::cells(holder)).collect::<Vec<_>>()
    };
    let rows: Vec<_> = known.iter().map(row).collect();
    let width = terminal.columns().unwrap_or(COLUMNS);
    let legend = terminal.paint(Tone::Faint, &wrap(rates::LEGEND, width, 0));
    let doubts = known.iter().filter_map(|holder| {
        let ratio = holder.speed.told_ratio?;
        let told = format!(
            "{}: its server says that it takes {:.0} % of the time that it takes; what is observed counts",
            holder.model.name,
            ratio * 100.0
        );
        Some(terminal.paint(Tone::Warn, &wrap(&told, width, 0)) + "\n")
    });
    grid::text(&columns, &rows, terminal) + &legend + "\n" + &doubts.collect::<String>()
}

/// The week, a line per day and a mark per hour.
fn hours(hours: &HoursView, terminal: Terminal) -> String {
    if hours.expected.len() != DAY * DAYS.len() || hours.minutes.iter().all(|minutes| *minutes == 0) {
        return String::new();
    }
    // Over every sixth hour stands its number.
    let scale: String = (0..DAY).step_by(6).map(|hour| format!("{hour:<6}")).collect();
    let mut out = format!("{:<10}{}\n", "hours", scale.trim_end());
    let days = hours.expected.chunks(DAY).zip(hours.minutes.chunks(DAY)).zip(DAYS);
    for ((expected, minutes), day) in days {
        let marks: String = expected.iter().zip(minutes).map(|it| mark(it, terminal)).collect();
        out += &format!("  {day:<8}{}\n", marks.trim_end());
    }
    let unseen = if terminal.marks() { '·' } else { '.' };
    let legend = format!("the higher, the surer the machine is ours then; {unseen} was not seen yet");
    let now = hours.availability.map_or(String::new(), |now| format!("; now {:.0} %", now * 100.0));
    let width = terminal.columns().unwrap_or(COLUMNS);
    out + &terminal.paint(Tone::Faint, &wrap(&format!("{legend}{now}"), width, 0)) + "\n"
}

fn mark((share, minutes): (&f64, &u32), terminal: Terminal) -> char {
    let pick = |marks: &[char]| {
        let last = marks.len().saturating_sub(1);
        marks.get((share.clamp(0.0, 1.0) * last as f64).round() as usize).copied().unwrap_or(' ')
    };
    match (*minutes, terminal.marks()) {
        (0, true) => '·',
        (0, false) => '.',
        (_, true) => pick(&MARKS),
        (_, false) => pick(&DIGITS),
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::learned::SpeedView;

    use super::*;
    use crate::cli::rates::tests::holder;

    #[test]
    fn what_was_learned_stands_by_model_and_what_is_guessed_does_not() {
        let guessed = HolderView { speed: SpeedView::default(), ..holder("studio", "other") };
        let mut liar = holder("studio", "qwen3:8b");
        liar.speed.told_ratio = Some(0.33);
        let view = NodeLearnedView { holders: vec![liar, guessed], ..NodeLearnedView::default() };
        let page = text(&view, Terminal::of(80, 24, false));
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "LEARNED   READS  WRITES  LOADS  ANSWERS  LAST",
                "qwen3:8b    910    42.1  3.3 s       37  5 min ago",
            ]
        );
        assert!(
            page.contains("qwen3:8b: its server says that it takes 33 %") && !page.contains("other"),
            "{page}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{page}");
        assert_eq!(text(&NodeLearnedView::default(), Terminal::of(80, 24, false)), "");
    }

    #[test]
    fn a_week_is_a_picture_of_seven_lines() {
        let mut hours =
            HoursView { expected: vec![1.0; 168], minutes: vec![60; 168], ..HoursView::default() };
        hours.availability = Some(0.5);
        for hour in 9..17 {
            hours.expected[hour] = 0.2;
        }
        hours.minutes[167] = 0;
        let view = NodeLearnedView { hours: hours.clone(), ..NodeLearnedView::default() };
        let page = text(&view, Terminal::of(80, 24, false));
        assert_eq!(
            page.lines().skip(1).take(3).collect::<Vec<_>>(),
            [
                "hours     0     6     12    18",
                "  Mon     999999999222222229999999",
                "  Tue     999999999999999999999999",
            ]
        );
        assert!(
            page.contains("  Sun     99999999999999999999999.\n") && page.contains("; now 50 %\n"),
            "{page}"
        );
        hours.minutes = vec![0; 168];
        let view = NodeLearnedView { hours, ..NodeLearnedView::default() };
        assert_eq!(text(&view, Terminal::of(80, 24, false)), "", "nothing was seen");
    }
}
