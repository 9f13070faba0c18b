//! Which machine somebody means: by its name, by where a server of it listens, or by the beginning of its id. Asks
//! nobody.

use herdwick_fleet::{Origin, nearest};
use herdwick_wire::nodes::MachineView;

use crate::failed::Failed;

/// Where the others are seen.
const LIST: &str = "`herdwick nodes list` shows all";
/// Digits of an id that tell as much as a whole one, in any fleet; fewer are rather a name.
const ID_DIGITS: usize = 4;

/// A way to mean a machine.
type Means<'a> = &'a dyn Fn(&&MachineView) -> bool;

/// The machine that is meant.
pub(crate) fn node<'a>(nodes: &'a [MachineView], said: &str) -> anyhow::Result<&'a MachineView> {
    let origin = Origin::parse(said).ok().map(|origin| origin.to_string());
    let by_name: Means<'_> = &|node| node.name == said;
    let by_spelling: Means<'_> = &|node| node.name.eq_ignore_ascii_case(said);
    let by_origin: Means<'_> =
        &|node| node.servers.iter().any(|server| origin.as_deref() == Some(server.origin.as_str()));
    let by_id: Means<'_> = &|node| said.len() >= ID_DIGITS && node.id.starts_with(said);
    // A name that is only spelled otherwise is nearer than an id that happens to begin so.
    for is_meant in [by_name, by_spelling, by_origin, by_id] {
        match nodes.iter().filter(is_meant).collect::<Vec<_>>().as_slice() {
            [] => {}
            [one] => return Ok(one),
            many => {
                let names = many.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(" or ");
                return Err(Failed::plainly(
                    format!("{said:?} may mean {names}"),
                    "say which one, by its name",
                ));
            }
        }
    }
    Err(unknown(nodes, said))
}

fn unknown(nodes: &[MachineView], said: &str) -> anyhow::Error {
    let what = format!("there is no node {said:?}");
    if nodes.is_empty() {
        return Failed::plainly(
            what,
            "there is none at all yet; add one: herdwick nodes add http://HOST:11434",
        );
    }
    let names = nodes.iter().map(|node| node.name.as_str());
    let near = names.map(|name| (nearest::distance(name, said), name)).min();
    match near.filter(|(edits, _)| *edits <= said.len().max(2) / 2) {
        Some((_, near)) => Failed::plainly(what, format!("did you mean `{near}`? {LIST}")),
        None => Failed::plainly(what, LIST),
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::status::NodeView;

    use super::*;

    fn machine(name: &str, id: &str, origin: &str) -> MachineView {
        let server = NodeView { origin: origin.to_owned(), ..NodeView::default() };
        MachineView {
            id: id.to_owned(),
            name: name.to_owned(),
            standing: "plain".to_owned(),
            held_ms: None,
            seen_s: None,
            agent: None,
            draining: Vec::new(),
            labels: Default::default(),
            servers: vec![server],
            facts: None,
            readings: Vec::new(),
        }
    }

    fn found(said: &str) -> Result<String, String> {
        let nodes = [
            machine("studio", "3fa29c00", "http://10.0.0.5:11434"),
            machine("mini", "3fa2b100", "http://mini.local:11434"),
            machine("3fa2", "00000000", "http://[fe80::1]:8080"),
            machine("Mini2", "77770000", "http://10.0.0.7:11434"),
            machine("MINI2", "88880000", "http://10.0.0.8:11434"),
        ];
        node(&nodes, said).map(|node| node.name.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_machine_is_meant_by_name_address_or_id() {
        for (said, meant) in [
            ("studio", "studio"),
            ("STUDIO", "studio"),
            ("10.0.0.5", "studio"),
            ("http://MINI.local:11434/", "mini"),
            ("[fe80::1]:8080", "3fa2"),
            ("3fa2b", "mini"),
            ("3fa2", "3fa2"),
            ("MINI2", "MINI2"),
        ] {
            assert_eq!(found(said), Ok(meant.to_owned()), "{said}");
        }
        for (said, told) in [
            ("mini2", "\"mini2\" may mean Mini2 or MINI2"),
            ("3fa", "there is no node \"3fa\""),
            ("10.0.0.9", "there is no node \"10.0.0.9\""),
        ] {
            assert_eq!(found(said), Err(told.to_owned()), "{said}");
        }
    }
}
