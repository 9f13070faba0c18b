//! `herdwick models show`: one model with all that was learned of it, machine by machine.

use herdwick_fleet::{ModelName, nearest};
use herdwick_wire::learned::{FleetModelView, HolderView, SpeedView};

use super::list;
use crate::cli::terminal::{COLUMNS, Terminal, Tone, wrap};
use crate::cli::{print, rates};
use crate::client::Ask;
use crate::failed::Failed;

/// Columns before what a line says.
const INDENT: usize = 12;
/// Programs that are shown one by one.
const APPS: usize = 12;

/// Options of `herdwick models show`.
#[derive(clap::Args)]
pub(crate) struct Show {
    /// The model's name.
    name: String,
    #[command(flatten)]
    ask: Ask,
}

impl Show {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let models = super::all(&self.ask)?;
        let model = find(&models, &self.name)?;
        if self.ask.json { print::json(model) } else { print::text(&text(model, Terminal::stdout())) }
    }
}

/// The model that somebody means.
fn find<'a>(models: &'a [FleetModelView], said: &str) -> anyhow::Result<&'a FleetModelView> {
    const LIST: &str = "`herdwick models list` shows all";
    let name = ModelName::parse(said).map_err(|why| {
        Failed::because(anyhow::anyhow!(why.to_string()), format!("{said:?} is no model's name"), LIST)
    })?;
    if let Some(found) = models.iter().find(|model| model.name == name.as_str()) {
        return Ok(found);
    }
    let what = format!("no machine has {name}");
    let near = models.iter().map(|model| (nearest::distance(&model.name, name.as_str()), &model.name)).min();
    Err(match near.filter(|(edits, _)| *edits <= name.as_str().len() / 2) {
        Some((_, near)) => Failed::plainly(what, format!("did you mean `{near}`? {LIST}")),
        None => Failed::plainly(what, LIST),
    })
}

fn text(model: &FleetModelView, terminal: Terminal) -> String {
    let mut page = Page { terminal, out: format!("{}\n\n", terminal.paint(Tone::Strong, &model.name)) };
    match model.answer_tokens {
        Some(known) => page.row("answers", &format!("{} long", rates::said(known, "tokens"))),
        None => page.row("answers", "nothing is learned of their length yet; 256 tokens are reckoned with"),
    }
    for (app, known) in model.apps.iter().take(APPS) {
        let who = if app.is_empty() { "to others" } else { app };
        page.row("", &format!("{who}: {}", rates::said(*known, "tokens")));
    }
    match model.bytes_per_token {
        Some(known) => page.row("prompts", &format!("{} of text per token", rates::said(known, "bytes"))),
        None => page.row("prompts", "4 bytes of text per token, a guess"),
    }
    for holder in &model.holders {
        page.holder(holder);
    }
    page.out
}

/// Lines with a word before them.
struct Page {
    terminal: Terminal,
    out: String,
}

impl Page {
    fn row(&mut self, head: &str, text: &str) {
        let columns = self.terminal.columns().unwrap_or(COLUMNS);
        let head = self.terminal.paint(Tone::Faint, &format!("{head:<INDENT$}"));
        self.out += &format!("{head}{}\n", wrap(text, columns, INDENT));
    }

    fn holder(&mut self, holder: &HolderView) {
        let (state, tone) = rates::state(holder);
        let at = holder.origin.trim_start_matches("http://");
        let name = self.terminal.paint(Tone::Strong, &holder.node);
        self.out += &format!("\n{name}  {}  {at}\n", self.terminal.paint(tone, &state));
        let model = &holder.model;
        let context = model
            .context_tokens
            .map_or(String::new(), |tokens| format!(", a context of {} tokens", print::count(tokens.into())));
        let slots = if model.slots == 1 { "1 slot".to_owned() } else { format!("{} slots", model.slots) };
        self.row(
            "  holds",
            &format!("{}, {slots}, {} of them busy{context}", list::size(model.bytes), model.busy),
        );
        self.speed(&holder.speed);
    }

    fn speed(&mut self, speed: &SpeedView) {
        let guess = |value: Option<f64>, unit: &str| {
            value.map(|value| format!("about {} {unit}, a guess", rates::number(value)))
        };
        let tokens = "tokens/s";
        let reads = speed.prefill_per_s.map(|known| rates::said(known, tokens));
        let writes = speed.decode_per_s.map(|known| rates::said(known, tokens));
        let load = |known: Option<herdwick_wire::learned::FigureView>, from: &str| {
            let known = known
                .map(|known| herdwick_wire::learned::FigureView { value: known.value / 1e6, ..known })?;
            Some(format!("{} {from}", rates::said(known, "MB/s")))
        };
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let drag = |known: Option<herdwick_wire::learned::FigureView>, by: &str| {
            known.map(|known| format!("each further answer {by} slows one down by {}", percent(known.value)))
        };
        let rows = [
            ("  reads", reads.or(guess(speed.reckoned_prefill_per_s, tokens))),
            ("  writes", writes.or(guess(speed.reckoned_decode_per_s, tokens))),
            ("", drag(speed.same_drag, "of it")),
            ("", drag(speed.other_drag, "of another model")),
            ("  loads", load(speed.load_disk_bytes_per_s, "from disk")),
            ("  loads", load(speed.load_cache_bytes_per_s, "from the file cache")),
            ("", speed.reckoned_load_ms.map(|ms| format!("{} from disk is reckoned with", print::ms(ms)))),
            (
                "  waits",
                speed.wait_bias_ms.map(|known| {
                    let word = if known.value < 0.0 { "shorter" } else { "longer" };
                    format!("{} {word} than predicted", print::ms(known.value.abs()))
                }),
            ),
            (
                "  claims",
                speed.told_ratio.map(|ratio| {
                    format!(
                        "it says that it takes {} of the time that it takes: what is observed counts",
                        percent(ratio)
                    )
                }),
            ),
        ];
        for (head, text) in rows {
            if let Some(text) = text {
                self.row(head, &text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::learned::FigureView;

    use super::*;
    use crate::cli::rates::tests::holder;

    fn model() -> FleetModelView {
        let figure = FigureView { value: 310.0, spread: 0.2, samples: 12, age_s: 60 };
        let mut studio = holder("studio", "qwen3:8b");
        studio.speed.same_drag = Some(FigureView { value: 0.21, ..figure });
        studio.speed.told_ratio = Some(0.33);
        FleetModelView {
            name: "qwen3:8b".to_owned(),
            answer_tokens: Some(figure),
            bytes_per_token: None,
            apps: [("curl".to_owned(), figure), (String::new(), figure)].into(),
            holders: vec![studio],
        }
    }

    #[test]
    fn everything_that_was_learned_is_told_in_80_columns() {
        let page = text(&model(), Terminal::of(80, 24, false));
        for told in [
            "answers     310 tokens (±20 %, 12 samples, the last 1 min ago) long\n",
            "curl: 310 tokens",
            "to others: 310 tokens",
            "prompts     4 bytes of text per token, a guess\n",
            "studio  in memory  10.0.0.5:11434\n",
            "  holds     5.2 GB, 4 slots, 0 of them busy, a context of 8,192 tokens\n",
            "  reads     910 tokens/s (±8 %, 36 samples, the last 6 min 40 s ago)\n",
            "each further answer of it slows one down by 21 %\n",
            "  loads     1,600 MB/s (±8 %, 2 samples, the last 1 d 1 h ago) from disk\n",
            "it says that it takes 33 % of the time",
        ] {
            assert!(page.contains(told), "{told:?} is not in\n{page}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }

    #[test]
    fn a_model_is_found_in_any_spelling_and_a_mistake_is_told_with_what_was_meant() {
        let models = [model()];
        assert!(find(&models, "Qwen3:8B").is_ok());
        let told = |said| find(&models, said).expect_err("it is not there").to_string();
        assert_eq!(told("qwen3:8c"), "no machine has qwen3:8c");
        assert_eq!(told("a b"), "\"a b\" is no model's name");
    }
}
