//! What is going on now, for people and programs: one picture of router, requests, nodes and plugins, and the one
//! thing that should be done next.

use std::time::Instant;

use herdwick_fleet::Moment;
use herdwick_fleet::backend::CUT_OFF;
use herdwick_wire::admin::PluginView;
use herdwick_wire::status::{NodeView, PluginCountsView, StatusView};

use crate::admin::Admin;

/// Names in one sentence; more are counted.
const NAMED: usize = 3;
/// Origins on the router's own machine.
const LOOPBACKS: [&str; 3] = ["http://127.", "http://localhost:", "http://[::1]:"];

/// The picture.
pub(crate) fn view(admin: &Admin) -> StatusView {
    let now = Moment::on(admin.start, Instant::now());
    let fleet = admin.fleet.load();
    let mut view = StatusView {
        version: admin.version.to_owned(),
        listening: admin.listening.to_string(),
        uptime_s: now.since(Moment::default()).as_secs(),
        stopping: *admin.stopping.borrow(),
        requests: admin.counters.read().into(),
        nodes: NodeView::all(&fleet, now),
        plugins: counts(&admin.plugins.list().plugins),
        next: None,
    };
    view.next = next(&view);
    view
}

fn counts(plugins: &[PluginView]) -> PluginCountsView {
    let troubled = plugins.iter().filter(|plugin| matches!(&*plugin.state, "quarantined" | "broken"));
    PluginCountsView {
        live: plugins.iter().filter(|plugin| plugin.state == "live").count(),
        troubled: troubled.map(|plugin| (plugin.name.clone(), plugin.why.clone())).collect(),
    }
}

/// The most urgent thing to do.
fn next(view: &StatusView) -> Option<String> {
    if view.nodes.is_empty() {
        return Some(
            "start `herdwick node` on a machine with models, or name one: --node http://HOST:11434"
                .to_owned(),
        );
    }
    let up: Vec<_> = view.nodes.iter().filter(|node| node.reach == "up").collect();
    let full = |node: &&&NodeView| node.models.iter().any(|model| model.busy >= model.slots);
    let drained: Vec<_> = up.iter().copied().filter(|node| !node.draining.is_empty()).collect();
    if let Some(advice) = down(view) {
        return Some(advice);
    }
    if let Some(names) = names(&up).filter(|_| up.iter().all(|node| node.models.is_empty())) {
        return Some(format!("there is no model yet; on {names}: ollama pull llama3.2"));
    }
    if let Some(names) = names(&drained).filter(|_| drained.len() == up.len() || view.requests.waiting > 0) {
        let first = drained.first().map_or("", |node| node.name.as_str());
        return Some(format!("{names} could take work again: herdwick nodes undrain {first}"));
    }
    if !view.plugins.troubled.is_empty() {
        return Some("see what is wrong with the plugin: herdwick plugins list".to_owned());
    }
    if view.requests.waiting > 0 && up.iter().any(|node| full(&node)) {
        return Some("requests wait for a slot: add a machine that has the model, or slots".to_owned());
    }
    let tripped: Vec<_> = up.iter().copied().filter(|node| node.breaker == "tripped").collect();
    if let Some(names) = names(&tripped) {
        return Some(format!("requests fail on {names}: look at the log of the model server there"));
    }
    let held: Vec<_> = view.nodes.iter().filter(|node| node.standing == "held").collect();
    if let Some(names) = names(&held) {
        return Some(format!(
            "{names} came and went too often: look at its network, power and sleep settings"
        ));
    }
    let offline: Vec<_> = view.nodes.iter().filter(|node| node.standing == "offline").collect();
    let first = offline.first().map_or("", |node| node.name.as_str());
    names(&offline).map(|names| {
        format!("{names} is offline: start `herdwick node` there, or: herdwick nodes forget {first}")
    })
}

/// What to do about servers on which somebody counts and that cannot be asked. A machine that is offline may be meant to
/// be.
fn down(view: &StatusView) -> Option<String> {
    let down = view.nodes.iter().filter(|node| node.reach == "down" && node.standing != "offline");
    let (silent, down): (Vec<_>, Vec<_>) = down.partition(|node| node.standing == "stale");
    let (beyond, down): (Vec<_>, Vec<_>) = down.into_iter().partition(|node| node.why.starts_with(CUT_OFF));
    if let Some((names, first)) = names(&beyond).zip(beyond.first()) {
        let at = first.origin.trim_start_matches("http://");
        return Some(format!("let the router reach {names}: a firewall stands between it and {at}"));
    }
    if let Some(names) = names(&down) {
        let is_here = |node: &&NodeView| LOOPBACKS.iter().any(|prefix| node.origin.starts_with(prefix));
        // An agent passes on what a server on its machine does not hear.
        let is_easy = |node: &&NodeView| node.agent.is_some() || is_here(node);
        let how = if down.iter().all(is_easy) { "ollama serve" } else { "OLLAMA_HOST=0.0.0.0 ollama serve" };
        return Some(format!("start Ollama on {names}: {how}"));
    }
    names(&silent).map(|names| {
        format!("look at {names}: neither its agent nor a server of it answers; it may sleep or be cut off")
    })
}

/// `a`, `a and b`, `a, b, c and 2 more`.
fn names(nodes: &[&NodeView]) -> Option<String> {
    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first @ .., last] if names.len() <= NAMED => Some(format!("{} and {last}", first.join(", "))),
        many => {
            let first = many.get(..NAMED).unwrap_or_default().join(", ");
            Some(format!("{first} and {} more", many.len() - NAMED))
        }
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::status::{ModelView, RequestsView};

    use super::*;

    fn node(name: &str, reach: &str, models: &[(u32, u32)]) -> NodeView {
        let models = models.iter().map(|(busy, slots)| ModelView {
            name: "m".to_owned(),
            state: "resident".to_owned(),
            load_ms: Some(0.0),
            bytes: 1,
            vram_bytes: None,
            context_tokens: None,
            pinned: false,
            busy: *busy,
            slots: *slots,
        });
        NodeView {
            name: name.to_owned(),
            origin: "http://x:1".to_owned(),
            reach: reach.to_owned(),
            why: String::new(),
            version: String::new(),
            seen_s: None,
            models: models.collect(),
            ..NodeView::default()
        }
    }

    fn told(nodes: Vec<NodeView>, waiting: u64, troubled: &[&str]) -> Option<String> {
        let troubled = troubled.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        next(&StatusView {
            version: String::new(),
            listening: String::new(),
            uptime_s: 0,
            stopping: false,
            requests: RequestsView { waiting, ..RequestsView::default() },
            nodes,
            plugins: PluginCountsView { live: 1, troubled },
            next: None,
        })
    }

    #[test]
    fn the_most_urgent_thing_is_said_and_nothing_when_all_is_well() {
        let good = || node("studio", "up", &[(1, 2)]);
        let standing = |standing: &str, node: NodeView| NodeView { standing: standing.to_owned(), ..node };
        let drained = || NodeView { draining: vec!["operator".to_owned()], ..good() };
        let beyond = || NodeView {
            why: format!("{CUT_OFF}: no answer within 2 s"),
            ..standing("online", node("mini", "down", &[]))
        };
        for (nodes, waiting, troubled, expected) in [
            (vec![], 0, &[][..], Some("start `herdwick node` on a machine")),
            (
                vec![good(), beyond()],
                0,
                &[],
                Some("let the router reach mini: a firewall stands between it and x:1"),
            ),
            (
                vec![standing("stale", node("mini", "down", &[]))],
                0,
                &[],
                Some("look at mini: neither its agent"),
            ),
            (vec![good(), standing("offline", node("mini", "down", &[]))], 0, &["p"], Some("plugins list")),
            (
                vec![good(), standing("offline", node("mini", "down", &[]))],
                0,
                &[],
                Some("herdwick nodes forget mini"),
            ),
            (
                vec![good(), standing("held", node("mini", "up", &[]))],
                0,
                &[],
                Some("mini came and went too often"),
            ),
            (vec![drained()], 0, &[], Some("herdwick nodes undrain studio")),
            (vec![good(), drained()], 0, &[], None),
            (vec![good(), drained()], 1, &[], Some("herdwick nodes undrain studio")),
            (vec![good(), node("mini", "down", &[])], 1, &["p"], Some("start Ollama on mini: OLLAMA_HOST")),
            (vec![node("mini", "unknown", &[])], 0, &[], None),
            (vec![node("mini", "up", &[])], 0, &["p"], Some("no model yet; on mini")),
            (vec![good()], 1, &["p"], Some("herdwick plugins list")),
            (vec![node("studio", "up", &[(2, 2)])], 1, &[], Some("wait for a slot")),
            (vec![node("studio", "up", &[(2, 2)])], 0, &[], None),
            (vec![good()], 1, &[], None),
            (
                vec![good(), NodeView { breaker: "tripped".to_owned(), ..good() }],
                0,
                &[],
                Some("requests fail on studio: look at the log"),
            ),
        ] {
            let next = told(nodes, waiting, troubled);
            match expected {
                Some(part) => assert!(next.as_ref().is_some_and(|next| next.contains(part)), "{next:?}"),
                None => assert_eq!(next, None),
            }
        }
    }

    #[test]
    fn a_sentence_names_a_few_and_counts_the_rest() {
        let nodes = ["a", "b", "c", "d", "e"].map(|name| node(name, "up", &[]));
        let of = |count: usize| names(&nodes.iter().take(count).collect::<Vec<_>>());
        let said = [0, 1, 2, 3, 5].map(of);
        let expected = [None, Some("a"), Some("a and b"), Some("a, b and c"), Some("a, b, c and 2 more")];
        assert_eq!(said.each_ref().map(Option::as_deref), expected);
    }
}
