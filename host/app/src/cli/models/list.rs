//! `herdwick models list`: every model in a line per machine that has it.

use herdwick_wire::learned::{FleetModelView, HolderView, ModelsView};

use crate::cli::nodes::grid::{self, Cell, Column};
use crate::cli::terminal::{COLUMNS as WIDTH, Terminal, Tone, wrap};
use crate::cli::{print, rates};
use crate::client::Ask;

const COLUMNS: [Column; 4] = [
    Column { head: "MODEL", least: Some(12), spare: 0, is_number: false },
    Column { head: "NODE", least: Some(8), spare: 0, is_number: false },
    Column { head: "STATE", least: None, spare: 0, is_number: false },
    Column { head: "SIZE", least: None, spare: 4, is_number: true },
];
/// Tokens that an answer is expected to have.
const ANSWER: Column = Column { head: "LENGTH", least: None, spare: 5, is_number: true };

/// Options of `herdwick models list`.
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    ask: Ask,
}

impl List {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let models = super::all(&self.ask)?;
        if self.ask.json {
            return print::json(&ModelsView { models });
        }
        print::text(&text(&models, Terminal::stdout()))
    }
}

fn text(models: &[FleetModelView], terminal: Terminal) -> String {
    if models.is_empty() && terminal.is_there() {
        return "no machine has a model yet; on one of them: ollama pull llama3.2\n".to_owned();
    }
    let columns: Vec<_> = COLUMNS.into_iter().chain(rates::COLUMNS).chain([ANSWER]).collect();
    let rows: Vec<_> = models.iter().flat_map(|model| rows(model, terminal)).collect();
    let table = grid::text(&columns, &rows, terminal);
    match terminal.columns() {
        None => table,
        Some(width) => {
            let legend = format!("{}; length is that of an expected answer, in tokens", rates::LEGEND);
            table + "\n" + &terminal.paint(Tone::Faint, &wrap(&legend, width.min(WIDTH), 0)) + "\n"
        }
    }
}

/// A line for each machine; the model's name stands in the first, and for programs in all.
fn rows(model: &FleetModelView, terminal: Terminal) -> Vec<Vec<Cell>> {
    let length = model.answer_tokens.map_or("-".to_owned(), |known| rates::number(known.value));
    let row = |(place, holder): (usize, &HolderView)| {
        let is_first = place == 0 || !terminal.is_there();
        let once = |text: &str| if is_first { text.to_owned() } else { String::new() };
        let mut cells = vec![
            (once(&model.name), Tone::Strong),
            (holder.node.clone(), Tone::Plain),
            rates::state(holder),
            (size(holder.model.bytes), Tone::Faint),
        ];
        cells.extend(rates::cells(holder));
        cells.push((once(&length), Tone::Faint));
        cells
    };
    model.holders.iter().enumerate().map(row).collect()
}

/// Servers of OpenAI's API do not tell how large a model is.
pub(crate) fn size(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { print::bytes(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::rates::tests::holder;

    #[test]
    fn a_model_stands_once_with_a_line_per_machine() {
        let mut cold = holder("mini", "qwen3:8b");
        cold.model.state = "on disk".to_owned();
        let model = FleetModelView {
            name: "qwen3:8b".to_owned(),
            holders: vec![holder("studio", "qwen3:8b"), cold],
            ..FleetModelView::default()
        };
        let page = text(std::slice::from_ref(&model), Terminal::of(100, 24, false));
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "MODEL     NODE    STATE        SIZE  READS  WRITES  LOADS  ANSWERS  LAST       LENGTH",
                "qwen3:8b  studio  in memory  5.2 GB    910    42.1  3.3 s       37  5 min ago       -",
                "          mini    on disk    5.2 GB    910    42.1  3.3 s       37  5 min ago",
            ]
        );
        for columns in [40, 60, 80] {
            let page = text(std::slice::from_ref(&model), Terminal::of(columns, 24, false));
            let table = page.lines().take(3);
            assert!(table.clone().all(|line| line.chars().count() <= columns.max(46)), "{columns}:\n{page}");
        }
        let piped = text(&[model], Terminal::default());
        assert!(piped.lines().skip(1).all(|line| line.starts_with("qwen3:8b\t")), "{piped}");
    }
}
