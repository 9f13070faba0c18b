//! `herdwick nodes list`: every machine in a line.

use herdwick_wire::nodes::{MachineView, NodesView};
use herdwick_wire::status::NodeView;

use super::grid::{self, Cell, Column};
use super::{Ask, PATH};
use crate::cli::print;
use crate::cli::terminal::{Terminal, Tone};

/// What a cell says that has nothing to say.
const NOTHING: &str = "-";
/// A machine that was heard of so many seconds ago is there now: it is asked every two seconds.
const NOW_S: u64 = 10;

const COLUMNS: [Column; 7] = [
    Column { head: "NAME", least: Some(12), spare: 0, is_number: false },
    Column { head: "STATE", least: None, spare: 0, is_number: false },
    Column { head: "MODELS", least: None, spare: 2, is_number: true },
    Column { head: "RUNNING", least: None, spare: 1, is_number: true },
    Column { head: "SEEN", least: None, spare: 3, is_number: false },
    Column { head: "ADDRESS", least: Some(18), spare: 0, is_number: false },
    Column { head: "AGENT", least: None, spare: 4, is_number: false },
];

/// Options of `herdwick nodes list`.
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    ask: Ask,
}

impl List {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let view: NodesView = self.ask.router.get(PATH)?;
        if self.ask.json {
            return print::json(&view);
        }
        print::text(&text(&view.nodes, Terminal::stdout()))
    }
}

/// The table.
pub(crate) fn text(nodes: &[MachineView], terminal: Terminal) -> String {
    if nodes.is_empty() && terminal.is_there() {
        return "no machine is known yet; add one: herdwick nodes add http://HOST:11434\n".to_owned();
    }
    grid::text(&COLUMNS, &nodes.iter().map(row).collect::<Vec<_>>(), terminal)
}

fn row(node: &MachineView) -> Vec<Cell> {
    let (state, tone) = state(node);
    let models = models(node);
    let plain = |text: String| (text, Tone::Plain);
    let faint = |text: String| (text, Tone::Faint);
    vec![
        (node.name.clone(), Tone::Strong),
        (state.to_owned(), tone),
        if models == 0 { faint(NOTHING.to_owned()) } else { plain(models.to_string()) },
        match running(node) {
            0 => faint(NOTHING.to_owned()),
            running => plain(running.to_string()),
        },
        faint(seen(node)),
        plain(address(node)),
        faint(node.agent.as_ref().map_or(NOTHING.to_owned(), |agent| agent.program.clone())),
    ]
}

/// A machine's state in a word: what stands in the way of new work, the weightiest first.
pub(crate) fn state(node: &MachineView) -> (&'static str, Tone) {
    let any = |reach: &str| node.servers.iter().any(|server| server.reach == reach);
    match (node.standing.as_str(), node.draining.is_empty()) {
        ("offline", true) => ("offline", Tone::Bad),
        ("offline", false) => ("offline, drained", Tone::Bad),
        (_, false) if running(node) > 0 => ("draining", Tone::Warn),
        (_, false) => ("drained", Tone::Warn),
        (standing, true) => match standing {
            _ if node.servers.is_empty() => ("no server", Tone::Warn),
            _ if node.servers.iter().any(|server| server.breaker == "tripped") => ("tripped", Tone::Bad),
            "held" if any("up") => ("held back", Tone::Warn),
            "stale" if any("up") => ("up, agent silent", Tone::Warn),
            _ if any("up") => ("up", Tone::Good),
            _ if any("down") => ("down", Tone::Bad),
            _ => ("no answer yet", Tone::Warn),
        },
    }
}

/// Requests of this router that run there.
pub(crate) fn running(node: &MachineView) -> u32 {
    node.servers.iter().flat_map(|server| &server.models).map(|model| model.busy).sum()
}

/// How long ago it was heard of: its agent, or a server that answered.
pub(crate) fn seen(node: &MachineView) -> String {
    match node.seen_s {
        Some(0..NOW_S) => "now".to_owned(),
        Some(seconds) => format!("{} ago", print::lasting(seconds)),
        None => NOTHING.to_owned(),
    }
}

/// Where its first server listens, and how many more there are.
fn address(node: &MachineView) -> String {
    let Some(first) = node.servers.first() else { return NOTHING.to_owned() };
    let first = shown(first);
    match node.servers.len() {
        1 => first.to_owned(),
        count => format!("{first} +{}", count - 1),
    }
}

/// A server's address as it is shown.
pub(crate) fn shown(server: &NodeView) -> &str {
    server.origin.trim_start_matches("http://")
}

/// Names of models, each once, whichever server has it.
fn models(node: &MachineView) -> usize {
    let mut names: Vec<_> =
        node.servers.iter().flat_map(|server| &server.models).map(|model| &model.name).collect();
    names.sort();
    names.dedup();
    names.len()
}

#[cfg(test)]
mod tests {
    use herdwick_wire::nodes::AgentView;
    use herdwick_wire::status::ModelView;

    use super::*;

    fn server(origin: &str, reach: &str, busy: &[u32]) -> NodeView {
        let models = busy.iter().enumerate().map(|(index, busy)| ModelView {
            name: format!("m{index}"),
            state: "on disk".to_owned(),
            load_ms: None,
            bytes: 1,
            vram_bytes: None,
            context_tokens: None,
            pinned: false,
            busy: *busy,
            slots: 2,
        });
        NodeView {
            origin: origin.to_owned(),
            reach: reach.to_owned(),
            seen_s: (reach == "up").then_some(1),
            models: models.collect(),
            ..NodeView::default()
        }
    }

    fn machine(name: &str, standing: &str, drained: bool, servers: Vec<NodeView>) -> MachineView {
        MachineView {
            id: "00".to_owned(),
            name: name.to_owned(),
            standing: standing.to_owned(),
            held_ms: None,
            seen_s: Some(1),
            agent: None,
            draining: if drained { vec!["operator".to_owned()] } else { Vec::new() },
            labels: Default::default(),
            servers,
            facts: None,
            readings: Vec::new(),
        }
    }

    #[test]
    fn a_state_is_the_weightiest_thing_that_keeps_work_away() {
        let up = || server("http://a:1", "up", &[0]);
        for (standing, drained, servers, expected) in [
            ("plain", false, vec![up()], "up"),
            ("online", false, vec![server("http://a:1", "down", &[]), up()], "up"),
            ("plain", false, vec![server("http://a:1", "down", &[])], "down"),
            ("plain", false, vec![server("http://a:1", "unknown", &[])], "no answer yet"),
            ("online", false, vec![], "no server"),
            ("online", true, vec![server("http://a:1", "up", &[1])], "draining"),
            ("online", true, vec![up()], "drained"),
            ("held", false, vec![up()], "held back"),
            ("stale", false, vec![up()], "up, agent silent"),
            ("stale", false, vec![server("http://a:1", "down", &[])], "down"),
            ("offline", false, vec![], "offline"),
            ("offline", true, vec![server("http://a:1", "down", &[])], "offline, drained"),
        ] {
            assert_eq!(state(&machine("n", standing, drained, servers)).0, expected, "{standing} {drained}");
        }
    }

    #[test]
    fn the_table_is_aligned_and_fits_80_columns_whatever_the_names() {
        let mut studio = machine(
            "studio",
            "online",
            false,
            vec![
                server("http://192.168.1.20:11434", "up", &[2, 0, 1]),
                server("http://192.168.1.20:8000", "up", &[0]),
            ],
        );
        studio.agent = Some(AgentView { program: "herdwick 0.1.0".to_owned(), heard_ms: Some(300) });
        let mini = machine("mini", "plain", true, vec![server("http://10.0.0.5:11434", "up", &[0])]);
        let expected = "\
NAME    STATE    MODELS  RUNNING  SEEN  ADDRESS                AGENT
studio  up            3        3  now   192.168.1.20:11434 +1  herdwick 0.1.0
mini    drained       1        -  now   10.0.0.5:11434         -
";
        assert_eq!(text(&[studio.clone(), mini], Terminal::of(80, 24, false)), expected);

        studio.name = "the-machine-under-the-desk-of-somebody-with-a-long-name.local".to_owned();
        let ip = "http://[2001:db8:85a3:1234:5678:8a2e:370:7334]:11434";
        let old = machine("old", "offline", true, vec![server(ip, "down", &[0; 40])]);
        for columns in [80, 120] {
            let table = text(&[studio.clone(), old.clone()], Terminal::of(columns, 24, false));
            assert!(table.lines().all(|line| line.chars().count() <= columns), "{columns}:\n{table}");
            assert!(table.contains("ADDRESS") && table.contains("…"), "{columns}:\n{table}");
        }
    }

    #[test]
    fn without_a_machine_it_says_what_to_do_and_a_pipe_gets_the_heads() {
        assert!(text(&[], Terminal::of(80, 24, false)).contains("herdwick nodes add http://HOST:11434"));
        assert_eq!(text(&[], Terminal::default()), "NAME\tSTATE\tMODELS\tRUNNING\tSEEN\tADDRESS\tAGENT\n");
    }
}
