//! Points with caps, as herders of local models give them: so many for a model in memory, fewer for each request that is
//! under way, and never more than a cap. Most points win.

use super::{Choice, Known};
use crate::fleets::NodeNo;
use crate::trace::Request;

/// Points for a model in memory, in the page cache, on disk.
const HEAT: [f64; 3] = [50.0, 30.0, 10.0];
/// At most so many for memory that is free.
const MEMORY: f64 = 20.0;
/// Points off for each request under way, and at most.
const QUEUE: (f64, f64) = (6.0, 30.0);
/// Points off for each ten seconds of predicted wait, and at most.
const WAIT: (f64, f64) = (5.0, 25.0);
/// Points for a machine that is large enough for large models, or small enough for small ones.
const ROLE: f64 = 15.0;
/// Seconds that a request is taken to need.
const SERVICE_S: f64 = 6.0;

/// The capped point system.
#[derive(Debug, Default)]
pub struct Points;

impl Choice for Points {
    fn choose(&mut self, request: &Request, able: &[NodeNo], known: &Known) -> NodeNo {
        Known::least(able, |node| -points(request, node, known))
    }
}

fn points(request: &Request, node: NodeNo, known: &Known) -> f64 {
    let model = request.model;
    let beat = &known.beats[node.0];
    let (memory, slots) = known.sizes[node.0];
    let here = known.outstanding[node.0][model.0];
    let is_hot = beat.resident[model.0] || here > 0;
    let heat = match (is_hot, beat.cached[model.0]) {
        (true, _) => HEAT[0],
        (_, true) => HEAT[1],
        _ => HEAT[2],
    };
    let room = if is_hot { 1.0 } else { (beat.free / model.in_memory()).clamp(0.0, 1.0) };
    let queued = known.load_of(node) as f64;
    let ahead = here.saturating_sub(slots - 1) as f64 * SERVICE_S / slots as f64;
    let large = model.spec().bytes > 8e9;
    let role = if large == (memory > 20e9) { ROLE } else { 0.0 };
    heat + MEMORY * room + role
        - (QUEUE.0 * queued).min(QUEUE.1)
        - (WAIT.0 * ahead / 10.0).min(WAIT.1)
        // The faster one of equals, by a point or two.
        + known.speeds[node.0] / 100.0
}
