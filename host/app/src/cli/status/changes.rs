//! What changed between two looks, a sentence each: for those who keep what they see.

use herdwick_wire::status::{ModelView, NodeView, StatusView};

use super::page;

/// What a reader of lines should hear after `before`.
pub(crate) fn since(before: Option<&super::Look>, now: &super::Look) -> Vec<String> {
    match (before, now) {
        (Some(Err(_)), Err(_)) => Vec::new(),
        (_, Err(error)) => vec![format!("{error}; asked again every second")],
        (Some(Ok(before)), Ok(now)) => between(before, now),
        (Some(Err(_)), Ok(now)) => [vec!["the router answers again".to_owned()], all(now)].concat(),
        (None, Ok(now)) => all(now),
    }
}

/// Whether nothing changed but time.
pub(crate) fn is_same(before: &StatusView, now: &StatusView) -> bool {
    between(before, now).is_empty()
}

fn all(now: &StatusView) -> Vec<String> {
    let router = format!("herdwick {} at http://{}", now.version, now.listening);
    let nodes = now.nodes.iter().map(reach);
    [router].into_iter().chain(nodes).chain([requests(now), plugins(now)]).chain(next(now)).collect()
}

fn between(before: &StatusView, now: &StatusView) -> Vec<String> {
    let mut lines = Vec::new();
    if now.uptime_s < before.uptime_s {
        lines.push(format!("the router was started again, version {}", now.version));
    }
    if now.stopping && !before.stopping {
        lines.push("the router is stopping: what runs may end".to_owned());
    }
    // A machine may run several servers, and one that moves is the same.
    let find = |nodes: &'_ [NodeView], wanted: &NodeView| {
        let mut own = nodes.iter().filter(|node| node.name == wanted.name);
        let same = own.clone().find(|node| node.origin == wanted.origin);
        same.or_else(|| own.next().filter(|_| own.next().is_none())).cloned()
    };
    for node in &now.nodes {
        match find(&before.nodes, node) {
            Some(before) => of_node(&before, node, &mut lines),
            None => lines.push(format!("{} is new: {}", node.name, node.reach)),
        }
    }
    let gone = before.nodes.iter().filter(|node| find(&now.nodes, node).is_none());
    lines.extend(gone.map(|node| format!("{} is gone", node.name)));
    lines.extend((before.requests != now.requests).then(|| requests(now)));
    lines.extend((before.plugins != now.plugins).then(|| plugins(now)));
    if before.next != now.next {
        lines.extend(next(now));
    }
    lines
}

fn of_node(before: &NodeView, now: &NodeView, lines: &mut Vec<String>) {
    let is = |node: &NodeView| {
        let NodeView { reach, why, standing, draining, breaker, .. } = node.clone();
        (reach, why, standing, draining, breaker)
    };
    if is(before) != is(now) {
        lines.push(reach(now));
    }
    let find = |models: &[ModelView], name: &str| models.iter().find(|model| model.name == name).cloned();
    for model in &now.models {
        match find(&before.models, &model.name) {
            Some(before) if before.state == model.state => {}
            Some(_) => lines.push(format!("{}: {} {}", now.name, model.name, page::state(&model.state))),
            None => lines.push(format!("{}: {} is new", now.name, model.name)),
        }
    }
    let gone = before.models.iter().filter(|model| find(&now.models, &model.name).is_none());
    lines.extend(gone.map(|model| format!("{}: {} is gone", now.name, model.name)));
}

fn reach(node: &NodeView) -> String {
    let but = match (node.standing.as_str(), node.draining.is_empty()) {
        _ if node.breaker == "tripped" => ", tripped: it failed too often",
        _ if node.breaker == "probation" => ", on probation after failures",
        ("stale", _) => ", its agent is silent",
        ("held", _) => ", held back",
        (_, false) => ", takes no new work",
        _ => "",
    };
    match node.reach.as_str() {
        "up" => match node.models.len() {
            1 => format!("{} up, 1 model{but}", node.name),
            models => format!("{} up, {models} models{but}", node.name),
        },
        "down" if node.standing == "offline" => format!("{} is offline", node.name),
        "down" => format!("{} down: {}", node.name, node.why),
        _ => format!("{} has not answered yet", node.name),
    }
}

fn requests(now: &StatusView) -> String {
    format!("requests: {}", page::requests(now.requests))
}

fn plugins(now: &StatusView) -> String {
    let troubled = now.plugins.troubled.iter().map(|(name, why)| format!("; {name}: {why}"));
    format!("plugins: {} live{}", now.plugins.live, troubled.collect::<String>())
}

fn next(now: &StatusView) -> Option<String> {
    now.next.as_ref().map(|next| format!("next: {next}"))
}

#[cfg(test)]
mod tests {
    use herdwick_wire::status::{PluginCountsView, RequestsView};

    use super::*;

    fn view(reach: &str, state: &str, served: u64) -> StatusView {
        let model = ModelView {
            name: "m:1b".to_owned(),
            state: state.to_owned(),
            load_ms: Some(served as f64),
            bytes: 1,
            vram_bytes: None,
            context_tokens: None,
            pinned: false,
            busy: 0,
            slots: 1,
        };
        StatusView {
            version: "0.1.0".to_owned(),
            listening: "127.0.0.1:1".to_owned(),
            uptime_s: 10 + served,
            stopping: false,
            requests: RequestsView { served, ..RequestsView::default() },
            nodes: vec![NodeView {
                name: "studio".to_owned(),
                origin: "http://x:1".to_owned(),
                reach: reach.to_owned(),
                why: if reach == "down" { "refused" } else { "" }.to_owned(),
                version: String::new(),
                seen_s: Some(served),
                models: vec![model],
                ..NodeView::default()
            }],
            plugins: PluginCountsView { live: 9, troubled: Vec::new() },
            next: (reach == "down").then(|| "start Ollama".to_owned()),
        }
    }

    #[test]
    fn how_a_machine_stands_is_told_when_it_changes() {
        let first = view("up", "on disk", 0);
        let with = |change: fn(&mut NodeView)| {
            let mut now = first.clone();
            now.nodes.iter_mut().for_each(change);
            between(&first, &now)
        };
        assert_eq!(with(|node| node.standing = "stale".into()), ["studio up, 1 model, its agent is silent"]);
        assert_eq!(
            with(|node| node.draining.push("agent".into())),
            ["studio up, 1 model, takes no new work"]
        );
        assert_eq!(
            with(|node| (node.reach, node.standing) = ("down".into(), "offline".into())),
            ["studio is offline"]
        );
        assert_eq!(with(|node| node.origin = "http://y:1".into()), Vec::<String>::new(), "it moved");
    }

    #[test]
    fn each_change_is_a_sentence_and_time_alone_is_none() {
        let first = view("up", "on disk", 0);
        assert_eq!(between(&first, &StatusView { uptime_s: 99, ..first.clone() }), Vec::<String>::new());
        assert_eq!(between(&first, &view("up", "loading", 0)), ["studio: m:1b loading"]);
        assert_eq!(
            between(&first, &view("down", "on disk", 1)),
            ["studio down: refused", "requests: 0 running; 1 served", "next: start Ollama"]
        );
        let empty = StatusView { nodes: Vec::new(), ..first.clone() };
        assert_eq!(between(&first, &empty), ["studio is gone"]);
        assert_eq!(between(&empty, &first), ["studio is new: up"]);
        let again = StatusView { uptime_s: 0, ..first.clone() };
        assert_eq!(between(&first, &again), ["the router was started again, version 0.1.0"]);
    }

    #[test]
    fn a_router_that_goes_away_is_told_once_and_so_is_its_return() {
        let gone = || Err(anyhow::anyhow!("no router answers at x"));
        let there = Ok(view("up", "on disk", 0));
        assert_eq!(since(Some(&there), &gone()), ["no router answers at x; asked again every second"]);
        assert_eq!(since(Some(&gone()), &gone()), Vec::<String>::new());
        assert_eq!(
            since(Some(&gone()), &there).first().map(String::as_str),
            Some("the router answers again")
        );
    }
}
