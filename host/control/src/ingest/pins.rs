//! Which key a machine had when it was last heard, by its name and address together: whoever comes back as the same
//! machine with another key is not the same to us. Two machines with one name are at two addresses, and nobody is told.

use std::collections::HashMap;
use std::net::IpAddr;

use herdwick_fleet::NodeId;

/// Machines that are remembered so; as many as there can be agents.
const PINS: usize = 4_096;

/// Nodes, whose ids are made of their keys, by what else a machine is known by.
#[derive(Default)]
pub(crate) struct Pins {
    nodes: HashMap<(String, IpAddr), NodeId>,
}

impl Pins {
    /// A machine was heard. Returns the node that it was before, if it was another one.
    pub(crate) fn pin(&mut self, name: &str, address: IpAddr, node: NodeId) -> Option<NodeId> {
        let machine = (name.to_owned(), address);
        if !self.nodes.contains_key(&machine) && self.nodes.len() >= PINS {
            // Only to be told of is lost with them.
            self.nodes.clear();
        }
        self.nodes.insert(machine, node).filter(|before| *before != node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_comes_back_with_another_key_is_told_of() {
        let mut pins = Pins::default();
        let [one, two] = [[1; 32], [2; 32]].map(|key| NodeId::from_key(&key));
        let [here, there] = [[10, 0, 0, 5], [10, 0, 0, 6]].map(IpAddr::from);
        assert_eq!(pins.pin("studio", here, one), None);
        assert_eq!(pins.pin("studio", here, one), None);
        assert_eq!(pins.pin("studio", there, two), None, "another machine of the same name");
        assert_eq!(pins.pin("mini", here, two), None, "another machine behind the same address");
        assert_eq!(pins.pin("studio", here, two), Some(one));
        for number in 0..10_000_u32 {
            pins.pin("studio", IpAddr::from(number.to_be_bytes()), one);
        }
        assert!(pins.nodes.len() <= PINS);
    }
}
