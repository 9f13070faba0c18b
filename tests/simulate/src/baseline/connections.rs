//! What every proxy can do: in turn, or to whoever has the fewest requests.

use super::{Choice, Known};
use crate::fleets::NodeNo;
use crate::trace::Request;

/// One after the other.
#[derive(Debug, Default)]
pub struct RoundRobin(usize);

impl Choice for RoundRobin {
    fn choose(&mut self, _: &Request, able: &[NodeNo], _: &Known) -> NodeNo {
        self.0 += 1;
        able[self.0 % able.len()]
    }
}

/// The one with the fewest requests under way (nginx's `least_conn`, without weights).
#[derive(Debug, Default)]
pub struct LeastConnections(usize);

impl Choice for LeastConnections {
    fn choose(&mut self, _: &Request, able: &[NodeNo], known: &Known) -> NodeNo {
        // Of equals another one each time.
        self.0 += 1;
        let turned: Vec<NodeNo> = (0..able.len()).map(|at| able[(at + self.0) % able.len()]).collect();
        Known::least(&turned, |node| known.load_of(node))
    }
}
