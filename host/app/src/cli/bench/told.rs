//! What a bench found: each quantity before and after, and who is asked for what because of it.

use herdwick_wire::bench::{BenchFigureView, BenchRunView, BenchView, RouteView, WinnerView};

use crate::cli::nodes::grid::{self, Cell, Column};
use crate::cli::terminal::{COLUMNS as WIDTH, Terminal, Tone, wrap};
use crate::cli::{print, rates};

/// What a cell says that has nothing to say.
const NOTHING: &str = "-";
/// Others that are named beside whoever would be asked.
const OTHERS: usize = 3;

const FIGURES: [Column; 4] = [
    Column { head: "MEASURED", least: None, spare: 0, is_number: false },
    Column { head: "NOW", least: None, spare: 0, is_number: true },
    Column { head: "BEFORE", least: None, spare: 0, is_number: true },
    Column { head: "CHANGE", least: None, spare: 1, is_number: true },
];
const RUNS: [Column; 7] = [
    Column { head: "RUN", least: None, spare: 4, is_number: false },
    Column { head: "WHEN", least: None, spare: 0, is_number: false },
    Column { head: "NODE", least: Some(8), spare: 0, is_number: false },
    Column { head: "MODEL", least: Some(12), spare: 0, is_number: false },
    Column { head: "READS", least: None, spare: 0, is_number: true },
    Column { head: "WRITES", least: None, spare: 0, is_number: true },
    Column { head: "LOADS", least: None, spare: 1, is_number: true },
];

/// One run.
pub(crate) fn view(view: &BenchView, terminal: Terminal) -> String {
    let columns = terminal.columns().unwrap_or(WIDTH);
    let title = terminal.paint(Tone::Strong, &format!("{} on {}", view.model, view.node));
    let took = print::lasting(view.took_ms / 1_000);
    let rows: Vec<_> = view.figures.iter().map(figure).collect();
    let mut out = format!("{title}, measured in {took}\n\n{}", grid::text(&FIGURES, &rows, terminal));
    if view.figures.iter().any(|figure| figure.before.is_some() && !figure.before_is_learned) {
        out +=
            &terminal.paint(Tone::Faint, "~ was a guess, from the model's size and the machine's memory\n");
    }
    for note in &view.notes {
        out += &format!("{}\n", wrap(&format!("note: {note}"), columns, 2));
    }
    for route in &view.routes {
        out += &format!("\n{}\n", wrap(&routed(route), columns, 2));
    }
    out + "\n"
}

/// Runs of before, the newest first.
pub(crate) fn runs(runs: &[BenchRunView], terminal: Terminal) -> String {
    if runs.is_empty() && terminal.is_there() {
        return "nothing was measured on purpose yet; begin with: herdwick bench --quick\n".to_owned();
    }
    let row = |run: &BenchRunView| {
        let of = |quantity: &str, streams: u32| {
            run.figures.iter().find(|figure| figure.quantity == quantity && figure.streams == streams)
        };
        let cell =
            |figure: Option<&BenchFigureView>| figure.map_or(NOTHING.to_owned(), |it| value(it, it.measured));
        [
            run.run.clone(),
            rates::age(run.age_s),
            run.node.clone(),
            run.model.clone(),
            cell(of("prefill", 0)),
            cell(of("decode", 1)),
            cell(of("load-disk", 0).or(of("load-cache", 0))),
        ]
        .map(|text| (text, Tone::Plain))
        .to_vec()
    };
    grid::text(&RUNS, &runs.iter().map(row).collect::<Vec<_>>(), terminal)
}

fn figure(figure: &BenchFigureView) -> Vec<Cell> {
    let plain = |text: String| (text, Tone::Plain);
    let guess = if figure.before_is_learned { "" } else { "~" };
    let before = figure.before.map(|before| format!("{guess}{}", value(figure, before)));
    let change = figure.before.filter(|before| *before > 0.0).map(|before| change(figure.measured / before));
    vec![
        plain(quantity(figure)),
        (value(figure, figure.measured), Tone::Strong),
        plain(before.unwrap_or_else(|| NOTHING.to_owned())),
        plain(change.unwrap_or_else(|| NOTHING.to_owned())),
    ]
}

fn quantity(figure: &BenchFigureView) -> String {
    match (figure.quantity.as_str(), figure.streams) {
        ("prefill", _) => "reads prompts".to_owned(),
        ("decode", 1) => "writes alone".to_owned(),
        ("decode", streams) => format!("writes, each of {streams}"),
        ("load-disk", _) => "loads from disk".to_owned(),
        ("load-cache", _) => "loads from file cache".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn value(figure: &BenchFigureView, value: f64) -> String {
    if figure.unit == "bytes/s" {
        return format!("{} MB/s", rates::number(value / 1e6));
    }
    format!("{} {}", rates::number(value), figure.unit)
}

/// How much faster or slower than was reckoned with.
fn change(ratio: f64) -> String {
    match ratio {
        0.98..=1.02 => "as before".to_owned(),
        2.0.. | ..=0.5 => format!("× {ratio:.2}"),
        _ => format!("{:+.0} %", (ratio - 1.0) * 100.0),
    }
}

/// Who is asked, and who was.
fn routed(route: &RouteView) -> String {
    let RouteView { model, before, after } = route;
    let others = |winner: &WinnerView| {
        let named = winner.others.iter().take(OTHERS).map(|(node, ms)| format!("{node} {}", print::ms(*ms)));
        let named = named.collect::<Vec<_>>().join(", ");
        if named.is_empty() { String::new() } else { format!(" (against {named})") }
    };
    let costs = |winner: &WinnerView| format!("{}{}", print::ms(winner.ms), others(winner));
    match (before, after) {
        (Some(before), Some(after)) if before.node == after.node => format!(
            "a typical request for {model} goes to {} as before; it is predicted to take {}, where it was {}",
            after.node,
            costs(after),
            costs(before)
        ),
        (Some(before), Some(after)) => format!(
            "a typical request for {model} goes to {} from now on, and went to {} before; it is predicted to take {}, \
             where it was {}",
            after.node,
            before.node,
            costs(after),
            costs(before)
        ),
        (None, Some(after)) => {
            format!(
                "a typical request for {model} goes to {}; it is predicted to take {}",
                after.node,
                costs(after)
            )
        }
        (_, None) => format!("nobody can take a request for {model} just now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> BenchView {
        let figure = |quantity: &str, streams, measured, before, before_is_learned| BenchFigureView {
            quantity: quantity.to_owned(),
            streams,
            unit: if quantity.starts_with("load") { "bytes/s" } else { "tokens/s" }.to_owned(),
            measured,
            before: Some(before),
            before_is_learned,
            after: Some(measured),
        };
        let by = |node: &str, ms, other: &str, more| {
            Some(WinnerView {
                node: node.to_owned(),
                ms,
                why: String::new(),
                others: vec![(other.to_owned(), more)],
            })
        };
        BenchView {
            node: "studio".to_owned(),
            model: "qwen3:8b".to_owned(),
            state: "done".to_owned(),
            took_ms: 42_000,
            figures: vec![
                figure("load-cache", 0, 4.1e9, 6e9, false),
                figure("prefill", 0, 910.0, 300.0, false),
                figure("decode", 1, 42.1, 30.0, true),
                figure("decode", 4, 25.9, 26.0, true),
            ],
            notes: vec![
                "it says of itself that it makes answers at another pace; what was observed is what counts"
                    .into(),
            ],
            routes: vec![RouteView {
                model: "qwen3:8b".to_owned(),
                before: by("mini", 4_000.0, "studio", 5_000.0),
                after: by("studio", 3_600.0, "mini", 4_000.0),
            }],
            ..BenchView::default()
        }
    }

    #[test]
    fn what_was_measured_stands_beside_what_was_reckoned_with() {
        let page = view(&found(), Terminal::of(80, 24, false));
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(
            lines[..8],
            [
                "qwen3:8b on studio, measured in 42 s",
                "",
                "MEASURED                         NOW         BEFORE     CHANGE",
                "loads from file cache     4,100 MB/s    ~6,000 MB/s      -32 %",
                "reads prompts           910 tokens/s  ~300 tokens/s     × 3.03",
                "writes alone           42.1 tokens/s  30.0 tokens/s      +40 %",
                "writes, each of 4      25.9 tokens/s  26.0 tokens/s  as before",
                "~ was a guess, from the model's size and the machine's memory",
            ]
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{page}");
    }

    #[test]
    fn who_is_asked_because_of_it_is_told_in_words_and_milliseconds() {
        let mut found = found();
        assert_eq!(
            routed(&found.routes[0]),
            "a typical request for qwen3:8b goes to studio from now on, and went to mini before; it is predicted to take \
             3.6 s (against mini 4.0 s), where it was 4.0 s (against studio 5.0 s)"
        );
        found.routes[0].before = None;
        assert_eq!(
            routed(&found.routes[0]),
            "a typical request for qwen3:8b goes to studio; it is predicted to take 3.6 s (against mini 4.0 s)"
        );
        found.routes[0].before = found.routes[0].after.clone();
        assert!(routed(&found.routes[0]).contains("goes to studio as before; "));
        found.routes[0].after = None;
        assert_eq!(routed(&found.routes[0]), "nobody can take a request for qwen3:8b just now");
    }

    #[test]
    fn runs_are_a_line_each() {
        let run = BenchRunView {
            run: "5f".to_owned(),
            age_s: 90,
            node: "studio".to_owned(),
            model: "qwen3:8b".to_owned(),
            quick: false,
            figures: found().figures,
        };
        let page = runs(&[run], Terminal::of(100, 24, false));
        assert_eq!(
            page,
            "RUN  WHEN            NODE    MODEL            READS         WRITES       LOADS\n\
             5f   1 min 30 s ago  studio  qwen3:8b  910 tokens/s  42.1 tokens/s  4,100 MB/s\n"
        );
    }
}
