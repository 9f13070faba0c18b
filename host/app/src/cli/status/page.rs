//! The picture for people: a few lines about the router, then each node with its models, aligned, in 80 columns.

use herdwick_wire::status::{ModelView, NodeView, RequestsView, StatusView};

use crate::cli::print;
use crate::cli::terminal::{COLUMNS, Terminal, Tone, shorten, wrap};

/// Models that are neither in memory nor busy and are shown one by one; a disk may hold a hundred.
const ON_DISK: usize = 6;
/// The most room for a node's name on a terminal: one of them must not push everything aside.
const HEAD: usize = 24;
/// The least room for a model's name.
const NAME: usize = 16;

/// A cell and how it is meant.
type Cell = (String, Tone);

/// All of it.
pub(crate) fn text(view: &StatusView, terminal: Terminal) -> String {
    let page = Page::of(&view.nodes, terminal, ON_DISK);
    let mut out = page.title(view);
    out.push('\n');
    out += &page.row("requests", &requests(view.requests), Tone::Plain);
    out += &page.plugins(view);
    out.push('\n');
    for node in &view.nodes {
        out += &page.node(node);
    }
    if let Some(next) = &view.next {
        out += &format!("\n{}", page.row("next", next, Tone::Warn));
    }
    out
}

/// The model servers alone, each with all its models.
pub(crate) fn servers(nodes: &[NodeView], terminal: Terminal) -> String {
    let page = Page::of(nodes, terminal, usize::MAX);
    nodes.iter().map(|node| page.node(node)).collect()
}

/// What is shown while the router does not answer.
pub(crate) fn lost(error: &anyhow::Error, terminal: Terminal) -> String {
    let chain = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let columns = terminal.columns().unwrap_or(COLUMNS);
    format!("{}\n\nasked again every second\n", terminal.paint(Tone::Bad, &wrap(&chain, columns, 0)))
}

/// `2 running, 1 waiting; 1,204 served, 3 failed, 1 abandoned`.
pub(crate) fn requests(requests: RequestsView) -> String {
    let running = requests.under_way.saturating_sub(requests.waiting);
    let some = |count: u64, what| (count > 0).then(|| format!("{} {what}", print::count(count)));
    let now = [Some(format!("{} running", print::count(running))), some(requests.waiting, "waiting")];
    let ended = [
        Some(format!("{} served", print::count(requests.served))),
        some(requests.failed, "failed"),
        some(requests.left, "abandoned"),
    ];
    let list = |parts: &[Option<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    format!("{}; {}", list(&now), list(&ended))
}

/// What a model's state is called.
pub(crate) fn state(state: &str) -> &str {
    match state {
        "resident" => "in memory",
        "warm" => "in file cache",
        other => other,
    }
}

/// How a server stands, in a few words: `up, version 0.12.6, draining`.
pub(crate) fn standing(node: &NodeView) -> (String, Tone) {
    let (word, tone) = match (node.reach.as_str(), node.standing.as_str()) {
        ("up", _) if node.breaker == "tripped" => ("tripped", Tone::Bad),
        ("up", _) if !node.caution.is_empty() => ("up", Tone::Warn),
        ("up", "stale" | "held") => ("up", Tone::Warn),
        ("up", _) if !node.draining.is_empty() => ("up", Tone::Warn),
        ("up", _) => ("up", Tone::Good),
        (_, "offline") => ("offline", Tone::Warn),
        ("down", _) => ("down", Tone::Bad),
        _ => ("has not answered yet", Tone::Warn),
    };
    let version = match (word, node.kind.as_str(), node.version.as_str()) {
        ("up", "ollama" | "", "") => None,
        ("up", "ollama" | "", version) => Some(format!("version {version}")),
        ("up", kind, version) => Some(format!("{kind} {version}").trim_end().to_owned()),
        _ => None,
    };
    let silent = match (node.standing.as_str(), node.agent.as_ref().and_then(|agent| agent.heard_ms)) {
        ("stale", Some(ms)) => Some(format!("agent silent for {}", print::lasting(ms / 1_000))),
        ("stale", None) => Some("its agent was not heard yet".to_owned()),
        ("held", _) => Some("held back".to_owned()),
        _ => None,
    };
    let draining = (!node.draining.is_empty()).then(|| "draining".to_owned());
    let words = [Some(word.to_owned()), version, silent, draining];
    (words.into_iter().flatten().collect::<Vec<_>>().join(", "), tone)
}

/// Widths that all nodes share.
struct Page {
    terminal: Terminal,
    /// Models that are only on disk and are shown one by one.
    on_disk: usize,
    /// Of the names of nodes and of the words before rows.
    head: usize,
    /// Of the columns of models.
    columns: Vec<usize>,
}

impl Page {
    fn of(nodes: &[NodeView], terminal: Terminal, on_disk: usize) -> Self {
        let width = |text: &str| text.chars().count();
        let heads = nodes.iter().map(|node| width(&node.name)).chain(["requests".len()]);
        let most = terminal.columns().map_or(usize::MAX, |_| HEAD);
        let head = heads.max().unwrap_or(0).min(most);
        let mut page = Self { terminal, on_disk, head, columns: Vec::new() };
        let rows: Vec<_> = nodes.iter().flat_map(|node| shown(node, on_disk).0).map(cells).collect();
        let count = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell: &Cell| width(&cell.0)).max()
        };
        page.columns = (0..count).map(|column| widest(column).unwrap_or(0)).collect();
        if let (Some(bound), [name, rest @ ..]) = (terminal.columns(), page.columns.as_mut_slice()) {
            let taken: usize = rest.iter().map(|width| width + 2).sum::<usize>() + 2;
            *name = (*name).min(bound.saturating_sub(taken).max(NAME));
        }
        page
    }

    fn title(&self, view: &StatusView) -> String {
        let name = self.terminal.paint(Tone::Strong, &format!("herdwick {}", view.version));
        let up = match view.stopping {
            true => self.terminal.paint(Tone::Warn, "stopping: what runs may end"),
            false => format!("up {}", print::lasting(view.uptime_s)),
        };
        format!("{name} at http://{}, {up}\n", view.listening)
    }

    fn row(&self, head: &str, text: &str, tone: Tone) -> String {
        let indent = self.head + 2;
        let text = wrap(text, self.terminal.columns().unwrap_or(COLUMNS), indent);
        format!("{head:<indent$}{}\n", self.terminal.paint(tone, &text))
    }

    fn plugins(&self, view: &StatusView) -> String {
        let live = format!("{} live", view.plugins.live);
        if view.plugins.troubled.is_empty() {
            return self.row("plugins", &live, Tone::Plain);
        }
        let names: Vec<_> = view.plugins.troubled.iter().map(|(name, _)| name.as_str()).collect();
        self.row("plugins", &format!("{live}; in trouble: {}", names.join(", ")), Tone::Bad)
    }

    fn node(&self, node: &NodeView) -> String {
        let address = node.origin.trim_start_matches("http://");
        let (state, tone) = standing(node);
        let indent = self.head + 2;
        let name = shorten(&node.name, self.head);
        let name = self.terminal.paint(Tone::Strong, &format!("{name:<indent$}"));
        let length = indent + address.chars().count() + 2 + state.chars().count();
        let space = match self.terminal.columns() {
            // A machine without a server has no address.
            _ if address.is_empty() => "",
            Some(bound) if length > bound => "\n  ",
            _ => "  ",
        };
        let mut out = format!("{name}{address}{space}{}\n", self.terminal.paint(tone, &state));
        if node.reach == "down" && node.standing != "offline" {
            out += &format!("  {}\n", wrap(&node.why, self.terminal.columns().unwrap_or(COLUMNS), 2));
        }
        if node.reach == "up" && !node.caution.is_empty() {
            let text = wrap(&node.caution, self.terminal.columns().unwrap_or(COLUMNS), 2);
            out += &format!("  {}\n", self.terminal.paint(Tone::Warn, &text));
        }
        let (models, hidden) = shown(node, self.on_disk);
        for model in models {
            out += &self.model(cells(model));
        }
        match hidden.as_slice() {
            [] => {}
            hidden => {
                let bytes = print::bytes(hidden.iter().map(|model| model.bytes).sum());
                out += &format!("  and {} more on disk, {bytes}\n", hidden.len());
            }
        }
        out
    }

    fn model(&self, cells: Vec<Cell>) -> String {
        let mut out = String::new();
        for (index, ((text, tone), width)) in cells.iter().zip(&self.columns).enumerate() {
            let text = if index == 0 { shorten(text, *width) } else { text.clone() };
            let space = " ".repeat(width.saturating_sub(text.chars().count()));
            let text = self.terminal.paint(*tone, &text);
            let [left, right] = if index == SIZE { [space.as_str(), ""] } else { ["", space.as_str()] };
            out += &format!("  {left}{text}{right}");
        }
        out.trim_end().to_owned() + "\n"
    }
}

/// The column of sizes, which are numbers.
const SIZE: usize = 2;

/// Models in the order in which they matter, and those that are only counted.
fn shown(node: &NodeView, on_disk: usize) -> (Vec<&ModelView>, Vec<&ModelView>) {
    let idle = |model: &&ModelView| model.state == "on disk" && model.busy == 0;
    let (mut rest, mut first): (Vec<_>, Vec<_>) = node.models.iter().partition(idle);
    // One more takes no more room than the line that would count it.
    let hidden = if rest.len() > on_disk.saturating_add(1) { rest.split_off(on_disk) } else { Vec::new() };
    first.append(&mut rest);
    (first, hidden)
}

fn cells(model: &ModelView) -> Vec<Cell> {
    let (word, tone) = match model.state.as_str() {
        "resident" => (state("resident").to_owned(), Tone::Good),
        "loading" => match model.load_ms {
            Some(left) => (format!("loading, {}", print::ms(left)), Tone::Warn),
            None => ("loading".to_owned(), Tone::Warn),
        },
        other => (state(other).to_owned(), Tone::Faint),
    };
    let context = model.context_tokens.map_or(String::new(), |tokens| match tokens {
        0..1024 => format!("ctx {tokens}"),
        _ if tokens % 1024 == 0 => format!("ctx {}k", tokens / 1024),
        _ => format!("ctx {tokens}"),
    });
    let busy = if model.busy > 0 { Tone::Strong } else { Tone::Faint };
    vec![
        (model.name.clone(), Tone::Plain),
        (word, tone),
        (size(model.bytes), Tone::Plain),
        (context, Tone::Faint),
        (format!("{}/{} busy", model.busy, model.slots), busy),
    ]
}

/// Servers of OpenAI's API do not tell how large their models are.
fn size(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { print::bytes(bytes) }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::status::PluginCountsView;

    use herdwick_wire::nodes::AgentView;

    use super::*;

    fn model(name: &str, state: &str, bytes: u64, busy: u32) -> ModelView {
        let context_tokens = (state == "resident").then_some(131_072);
        let load_ms = Some(if state == "loading" { 3_200.0 } else { 0.0 });
        ModelView {
            name: name.to_owned(),
            state: state.to_owned(),
            load_ms,
            bytes,
            vram_bytes: None,
            context_tokens,
            pinned: false,
            busy,
            slots: 16,
        }
    }

    fn node(name: &str, why: &str, models: Vec<ModelView>) -> NodeView {
        NodeView {
            name: name.to_owned(),
            origin: "http://192.168.100.200:11434".to_owned(),
            reach: if why.is_empty() { "up" } else { "down" }.to_owned(),
            why: why.to_owned(),
            version: "0.12.6".to_owned(),
            seen_s: Some(1),
            models,
            ..NodeView::default()
        }
    }

    fn view(nodes: Vec<NodeView>) -> StatusView {
        StatusView {
            version: "0.1.0".to_owned(),
            listening: "127.0.0.1:11435".to_owned(),
            uptime_s: 192,
            stopping: false,
            requests: RequestsView {
                under_way: 3,
                waiting: 1,
                served: 1_204,
                failed: 2,
                ..Default::default()
            },
            nodes,
            plugins: PluginCountsView { live: 9, troubled: vec![("mine".to_owned(), "trap".to_owned())] },
            next: Some("see what is wrong with the plugin: herdwick plugins list".to_owned()),
        }
    }

    #[test]
    fn the_picture_is_aligned() {
        let studio = vec![
            model("llama3.2:3b", "on disk", 2_019_000_000, 0),
            model("qwen3:8b", "resident", 5_200_000_000, 2),
            model("gemma3:27b", "loading", 17_400_000_000, 1),
            model("a/b", "resident", 0, 0),
        ];
        let refused = "nothing listens there";
        let nodes = vec![node("studio", "", studio), node("mini", refused, Vec::new())];
        let expected = "\
herdwick 0.1.0 at http://127.0.0.1:11435, up 3 min 12 s

requests  2 running, 1 waiting; 1,204 served, 2 failed
plugins   9 live; in trouble: mine

studio    192.168.100.200:11434  up, version 0.12.6
  qwen3:8b     in memory        5.2 GB  ctx 128k  2/16 busy
  gemma3:27b   loading, 3.2 s  17.4 GB            1/16 busy
  a/b          in memory                ctx 128k  0/16 busy
  llama3.2:3b  on disk          2.0 GB            0/16 busy
mini      192.168.100.200:11434  down
  nothing listens there

next      see what is wrong with the plugin: herdwick plugins list
";
        assert_eq!(text(&view(nodes), Terminal::default()), expected);
    }

    #[test]
    fn a_server_says_how_it_stands_in_a_few_words() {
        let agent = |heard_ms| Some(AgentView { program: "herdwick 0.1.0".to_owned(), heard_ms });
        let up = || NodeView { kind: "ollama".to_owned(), ..node("studio", "", Vec::new()) };
        let down = || node("studio", "nothing listens there", Vec::new());
        let is = |standing: &str, node: NodeView| NodeView { standing: standing.to_owned(), ..node };
        for (node, expected) in [
            (is("online", up()), "up, version 0.12.6"),
            (NodeView { kind: "vllm".to_owned(), ..up() }, "up, vllm 0.12.6"),
            (NodeView { draining: vec!["operator".to_owned()], ..up() }, "up, version 0.12.6, draining"),
            (is("held", up()), "up, version 0.12.6, held back"),
            (
                NodeView { agent: agent(Some(72_000)), ..is("stale", up()) },
                "up, version 0.12.6, agent silent for 1 min 12 s",
            ),
            (is("stale", down()), "down, its agent was not heard yet"),
            (is("offline", down()), "offline"),
            (is("plain", down()), "down"),
        ] {
            assert_eq!(standing(&node).0, expected);
        }
    }

    #[test]
    fn nothing_is_wider_than_a_terminal_of_80_columns() {
        let long = "hf.co/bartowski/Qwen2.5-Coder-32B-Instruct-GGUF:Q4_K_M";
        let models = ["resident", "loading", "warm"].map(|state| model(long, state, 123_400_000_000, 12));
        let why = "no answer within 2 s, and a reason that somebody made longer than any line of text can be";
        let nodes = vec![node("a-name-of-24-characters-", "", models.into()), node("mini", why, Vec::new())];
        let page = text(&view(nodes), Terminal::of(80, 24, false));
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(page.contains("…") && page.contains("Q4_K_M  in memory"), "{page}");
        let mut far = node("the-machine-under-the-desk-of-somebody-with-a-long-name.local", "", Vec::new());
        far.origin = "http://[2001:db8:85a3:1234:5678:8a2e:370:7334]:11434".to_owned();
        let page = text(&view(vec![far]), Terminal::of(80, 24, false));
        assert!(page.contains(":11434\n  up, version 0.12.6\n"), "{page}");
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let name = "a-name-of-24-characters-";
        let page =
            text(&view(vec![node("n", "", vec![model(name, "loading", 1, 0)])]), Terminal::of(80, 24, false));
        assert!(page.contains(name), "a name of ordinary length is shown whole: {page}");
    }

    #[test]
    fn a_full_disk_is_counted_and_not_listed() {
        let on_disk = |count: usize| {
            let models = (0..count).map(|at| model(&format!("m{at}"), "on disk", 1_000_000_000, 0));
            text(&view(vec![node("studio", "", models.collect())]), Terminal::default())
        };
        assert!(on_disk(40).contains("  m5") && !on_disk(40).contains("  m6"), "{}", on_disk(40));
        assert!(on_disk(40).contains("and 34 more on disk, 34.0 GB"));
        assert!(on_disk(7).contains("  m6") && !on_disk(7).contains("more"));
    }
}
