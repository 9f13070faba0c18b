//! What was learned, in words and cells: the same for each command that shows it.

use herdwick_wire::learned::{FigureView, HolderView, SpeedView};

use crate::cli::nodes::grid::{Cell, Column};
use crate::cli::print;
use crate::cli::status::page;
use crate::cli::terminal::Tone;

/// What a cell says that has nothing to say.
const NOTHING: &str = "-";

/// The columns of [`cells`].
pub(crate) const COLUMNS: [Column; 5] = [
    Column { head: "READS", least: None, spare: 0, is_number: true },
    Column { head: "WRITES", least: None, spare: 0, is_number: true },
    Column { head: "LOADS", least: None, spare: 1, is_number: true },
    Column { head: "ANSWERS", least: None, spare: 2, is_number: true },
    Column { head: "LAST", least: None, spare: 3, is_number: false },
];

/// What stands below a table with these columns.
pub(crate) const LEGEND: &str =
    "reads and writes in tokens/s, ~ is a guess; loads from disk; answers that it was learned from";

/// How fast a model is somewhere. What was not learned stands there as what is guessed.
pub(crate) fn cells(holder: &HolderView) -> Vec<Cell> {
    let speed = &holder.speed;
    let plain = |text: String| (text, Tone::Plain);
    let faint = |text: String| (text, Tone::Faint);
    let rate = |known: Option<FigureView>, guess: Option<f64>| match (known, guess) {
        (Some(known), _) => plain(number(known.value)),
        (None, Some(guess)) => faint(format!("~{}", number(guess))),
        (None, None) => faint(NOTHING.to_owned()),
    };
    let load = match (speed.load_disk_bytes_per_s, speed.reckoned_load_ms) {
        (Some(_), Some(ms)) => plain(print::ms(ms)),
        (None, Some(ms)) => faint(format!("~{}", print::ms(ms))),
        (_, None) => faint(NOTHING.to_owned()),
    };
    let newest = newest(speed);
    vec![
        rate(speed.prefill_per_s, speed.reckoned_prefill_per_s),
        rate(speed.decode_per_s, speed.reckoned_decode_per_s),
        load,
        newest.map_or(faint(NOTHING.to_owned()), |known| plain(known.samples.to_string())),
        newest.map_or(faint(NOTHING.to_owned()), |known| faint(age(known.age_s))),
    ]
}

/// The figure of a model that was learned last.
pub(crate) fn newest(speed: &SpeedView) -> Option<FigureView> {
    let known =
        [speed.decode_per_s, speed.prefill_per_s, speed.load_disk_bytes_per_s, speed.load_cache_bytes_per_s];
    known.into_iter().flatten().min_by_key(|known| known.age_s)
}

/// A figure with all that is known of it: `42.1 tokens/s (±8 %, 37 samples, the last 5 min ago)`.
pub(crate) fn said(figure: FigureView, unit: &str) -> String {
    let FigureView { value, spread, samples, age_s } = figure;
    let times = if samples == 1 {
        "1 sample".to_owned()
    } else {
        format!("{} samples", print::count(samples.into()))
    };
    // One sample has no spread, and a spread of nothing says nothing.
    let spread =
        if samples > 1 && spread > 0.005 { format!("±{:.0} %, ", spread * 100.0) } else { String::new() };
    format!("{} {unit} ({spread}{times}, the last {})", number(value), age(age_s))
}

/// How a model stands somewhere, as a cell.
pub(crate) fn state(holder: &HolderView) -> Cell {
    if holder.reach == "down" {
        return ("not reached".to_owned(), Tone::Faint);
    }
    let tone = match holder.model.state.as_str() {
        "resident" => Tone::Good,
        "loading" => Tone::Warn,
        _ => Tone::Plain,
    };
    (page::state(&holder.model.state).to_owned(), tone)
}

/// A number with three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => print::count(value.abs().round() as u64),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// How long ago.
pub(crate) fn age(seconds: u64) -> String {
    if seconds < 10 { "just now".to_owned() } else { format!("{} ago", print::lasting(seconds)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use herdwick_wire::status::ModelView;

    use super::*;

    /// A model of which everything is known.
    pub(crate) fn holder(node: &str, model: &str) -> HolderView {
        let figure = |value, samples, age_s| Some(FigureView { value, spread: 0.08, samples, age_s });
        HolderView {
            node: node.to_owned(),
            kind: "ollama".to_owned(),
            origin: "http://10.0.0.5:11434".to_owned(),
            reach: "up".to_owned(),
            digest: "d".to_owned(),
            model: ModelView {
                name: model.to_owned(),
                state: "resident".to_owned(),
                load_ms: Some(0.0),
                bytes: 5_200_000_000,
                vram_bytes: None,
                context_tokens: Some(8_192),
                pinned: false,
                busy: 0,
                slots: 4,
            },
            speed: SpeedView {
                prefill_per_s: figure(910.0, 36, 400),
                decode_per_s: figure(42.13, 37, 300),
                load_disk_bytes_per_s: figure(1.6e9, 2, 90_000),
                reckoned_prefill_per_s: Some(910.0),
                reckoned_decode_per_s: Some(42.13),
                reckoned_load_ms: Some(3_300.0),
                ..SpeedView::default()
            },
        }
    }

    fn texts(holder: &HolderView) -> Vec<String> {
        cells(holder).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn what_was_learned_is_told_from_what_is_guessed() {
        let known = holder("studio", "m");
        assert_eq!(texts(&known), ["910", "42.1", "3.3 s", "37", "5 min ago"]);
        let guessed = SpeedView {
            reckoned_prefill_per_s: Some(300.0),
            reckoned_decode_per_s: Some(30.0),
            reckoned_load_ms: Some(900.0),
            ..SpeedView::default()
        };
        assert_eq!(
            texts(&HolderView { speed: guessed, ..known.clone() }),
            ["~300", "~30.0", "~900 ms", "-", "-"]
        );
        assert_eq!(texts(&HolderView { speed: SpeedView::default(), ..known }), ["-"; 5]);
    }

    #[test]
    fn a_figure_is_said_with_its_spread_and_age() {
        let figure = FigureView { value: 1_234.5, spread: 0.081, samples: 37, age_s: 300 };
        assert_eq!(said(figure, "tokens/s"), "1,235 tokens/s (±8 %, 37 samples, the last 5 min ago)");
        let once = FigureView { samples: 1, age_s: 0, ..figure };
        assert_eq!(said(once, "tokens/s"), "1,235 tokens/s (1 sample, the last just now)");
        assert_eq!(
            [0.123, 9.99, 42.13, 99.94, 1_234.5].map(number),
            ["0.12", "9.99", "42.1", "99.9", "1,235"]
        );
    }
}
