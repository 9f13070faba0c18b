//! `herdwick nodes show`: one machine, with what it says of itself, its agent, its servers and all its models.

use herdwick_wire::learned::NodeLearnedView;
use herdwick_wire::nodes::MachineView;
use serde::Serialize;

use super::{Ask, PATH, label, learned, list, machine};
use crate::cli::print;
use crate::cli::status::page;
use crate::cli::terminal::{COLUMNS, Terminal, Tone, wrap};

/// Columns before what a line says.
const INDENT: usize = 11;

/// Options of `herdwick nodes show`.
#[derive(clap::Args)]
pub(crate) struct Show {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    #[command(flatten)]
    ask: Ask,
}

impl Show {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let learned: NodeLearnedView = self.ask.router.get(&format!("{PATH}/{}/learned", node.name))?;
        if self.ask.json {
            return print::json(&Shown { node, learned });
        }
        let terminal = Terminal::stdout();
        let mut page = text(&node, terminal);
        let learned = learned::text(&learned, terminal);
        if !learned.is_empty() {
            page += &format!("\n{learned}");
        }
        print::text(&page)
    }
}

/// The machine and what was learned of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    node: MachineView,
    learned: NodeLearnedView,
}

fn text(node: &MachineView, terminal: Terminal) -> String {
    let (state, tone) = list::state(node);
    let mut out =
        format!("{}  {}\n\n", terminal.paint(Tone::Strong, &node.name), terminal.paint(tone, state));
    let columns = terminal.columns().unwrap_or(COLUMNS);
    let mut row = |head: &str, text: &str| {
        out += &format!("{head:<INDENT$}{}\n", wrap(text, columns, INDENT));
    };
    row("agent", &agent(node));
    row("seen", &list::seen(node));
    if !node.draining.is_empty() {
        row("drained", &format!("no new work, as its {} wants", node.draining.join(" and its ")));
    }
    if let Some(rest) = node.held_ms {
        row(
            "held",
            &format!("it came and went too often: others are asked first, for {}", print::ms(rest as f64)),
        );
    }
    if let Some(labels) = label::said(&node.labels) {
        row("labels", &labels);
    }
    for (head, text) in machine::rows(node) {
        row(head, &text);
    }
    row("id", &node.id);
    out.push('\n');
    if node.servers.is_empty() {
        out += "no model server is known there\n";
    }
    out + &page::servers(&node.servers, terminal)
}

fn agent(node: &MachineView) -> String {
    match &node.agent {
        None => "none: the router asks its servers itself".to_owned(),
        Some(agent) => match agent.heard_ms {
            Some(age) => format!("{}, heard {} ago", agent.program, print::ms(age as f64)),
            None => format!("{}, not heard since this router runs", agent.program),
        },
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::nodes::AgentView;
    use herdwick_wire::status::{ModelView, NodeView};

    use super::*;

    #[test]
    fn everything_about_a_machine_is_there_in_80_columns() {
        let model = |index: usize| ModelView {
            name: format!("hf.co/somebody-with-a-name/Some-Model-{index}-Instruct-GGUF:Q4_K_M"),
            state: if index == 0 { "resident" } else { "on disk" }.to_owned(),
            load_ms: None,
            bytes: 5_200_000_000,
            vram_bytes: None,
            context_tokens: None,
            pinned: false,
            busy: 0,
            slots: 2,
        };
        let server = NodeView {
            name: "studio".to_owned(),
            kind: "ollama".to_owned(),
            origin: "http://[2001:db8:85a3:1234:5678:8a2e:370:7334]:11434".to_owned(),
            reach: "up".to_owned(),
            version: "0.12.6".to_owned(),
            models: (0..20).map(model).collect(),
            ..NodeView::default()
        };
        let node = MachineView {
            id: "3fa29c00aabbccddeeff001122334455".to_owned(),
            name: "studio".to_owned(),
            standing: "online".to_owned(),
            held_ms: Some(4_000),
            seen_s: Some(1),
            agent: Some(AgentView { program: "herdwick 0.1.0".to_owned(), heard_ms: Some(420) }),
            draining: vec!["agent".to_owned(), "operator".to_owned()],
            labels: [("room".to_owned(), "office ".repeat(30))].into(),
            servers: vec![server],
            facts: None,
            readings: Vec::new(),
        };
        let page = text(&node, Terminal::of(80, 24, false));
        for told in [
            "studio  drained\n",
            "agent      herdwick 0.1.0, heard 420 ms ago\n",
            "no new work, as its agent and its operator wants",
            "labels     room=office",
            "id         3fa29c00aabbccddeeff001122334455\n",
            "[2001:db8:85a3:1234:5678:8a2e:370:7334]:11434",
            "19-Instruct",
        ] {
            assert!(page.contains(told), "{told:?} is not in\n{page}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }
}
