//! Whoever has the model in memory, and of these the one with the fewest requests.

use super::{Choice, Known};
use crate::fleets::NodeNo;
use crate::trace::Request;

/// Never a load where a copy is.
#[derive(Debug, Default)]
pub struct WarmFirst;

impl Choice for WarmFirst {
    fn choose(&mut self, request: &Request, able: &[NodeNo], known: &Known) -> NodeNo {
        let model = request.model.0;
        // Where a request of the model is under way it is in memory, or about to be.
        let is_warm =
            |node: NodeNo| known.beats[node.0].resident[model] || known.outstanding[node.0][model] > 0;
        Known::least(able, |node| (!is_warm(node), known.load_of(node)))
    }
}
