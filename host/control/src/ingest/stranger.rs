//! Whether somebody speaks in the place of a machine that is known: under its name, from its address, with another key.
//! Two machines with one name are at two addresses, and nobody is told of them.

use std::net::IpAddr;
use std::sync::Arc;

use herdwick_fleet::{Agent, Node, Report, Snapshot};

/// The node with a pinned key that the reporting one would be, but for its own key. It may be one that is remembered from
/// before the router started.
pub(crate) fn took_place_of(report: &Report, fleet: &Snapshot) -> Option<Arc<Node>> {
    let is_there = |host: &str| host.parse::<IpAddr>() == Ok(report.address);
    let found = fleet.backends().iter().find(|backend| {
        let node = &backend.node;
        let is_pinned = matches!(node.agent, Some(Agent::Herdwick { .. }));
        is_pinned && node.id != report.node && *node.name == *report.name && is_there(&backend.origin.host)
    });
    found.map(|backend| Arc::clone(&backend.node))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herdwick_fleet::{BackendKind, Door, Fleet, Moment, NodeId, ServerReport};

    use super::*;

    fn report(key: u8, name: &str, last: u8) -> Report {
        let server = ServerReport {
            kind: BackendKind::Ollama,
            port: 11_434,
            door: Door::Direct,
            down: None,
            version: String::new(),
            slots: None,
            max_loaded: None,
            keep_alive: None,
            age: Duration::ZERO,
            models: None,
            resident: Vec::new(),
            foreign: 0,
        };
        Report {
            node: NodeId::from_key(&[key; 32]),
            name: name.to_owned(),
            agent: Agent::Herdwick { version: "0.1.0".to_owned() },
            address: [10, 0, 0, last].into(),
            at: Moment(0),
            interval: Duration::from_secs(1),
            draining: false,
            servers: vec![server],
            readings: Vec::new(),
            other_routers: 0,
        }
    }

    #[test]
    fn only_one_with_the_name_and_the_address_and_another_key_is_in_somebodys_place() {
        let mut fleet = Fleet::default();
        fleet.report(report(1, "studio", 5));
        let known = fleet.snapshot();
        for (key, name, last, expected) in
            [(1, "studio", 5, false), (2, "studio", 5, true), (2, "studio", 6, false), (2, "mini", 5, false)]
        {
            let found = took_place_of(&report(key, name, last), &known);
            assert_eq!(found.is_some(), expected, "{key} {name} {last}");
            assert!(found.is_none_or(|node| node.id == NodeId::from_key(&[1; 32])));
        }
    }
}
