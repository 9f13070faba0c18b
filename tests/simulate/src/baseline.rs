//! Routers to be better than: what other proxies do. All of them bind at once, so that whatever they send too early waits
//! where nobody sees it, and let the machines load what is asked for.

mod connections;
mod ewma;
mod points;
mod warm;

use crate::fleets::{MODELS, ModelId, NodeNo};
use crate::node::{Health, Node};
use crate::random::Random;
use crate::router::{Action, News, Refusal, Router, Sight};
use crate::time::Time;
use crate::trace::Request;

pub use self::connections::{LeastConnections, RoundRobin};
pub use self::ewma::PeakEwma;
pub use self::points::Points;
pub use self::warm::WarmFirst;

/// Tries of a request, the first included: what a proxy that can be told to try the next one does.
const TRIES: u32 = 3;
/// A machine that was not heard for so long is left out.
const SILENT: Time = Time(3_000_000);

/// How one machine is chosen.
pub trait Choice {
    /// The machine that gets this request, among those that can hold its model. There is at least one.
    fn choose(&mut self, request: &Request, able: &[NodeNo], known: &Known) -> NodeNo;

    /// An answer came whole after so many seconds.
    fn answered(&mut self, _: NodeNo, _: Time, _: f64) {}
}

/// What a machine's last beat said, as an early binder would know it.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// When.
    pub at: Time,
    /// Models in memory.
    pub resident: [bool; MODELS.len()],
    /// Models that a load would not read from disk.
    pub cached: [bool; MODELS.len()],
    /// Bytes of memory that models do not take.
    pub free: f64,
    /// Models on disk.
    pub listed: [bool; MODELS.len()],
}

/// What an early binder knows.
#[derive(Debug)]
pub struct Known {
    /// Now.
    pub now: Time,
    /// What machines said last.
    pub beats: Vec<Beat>,
    /// Bytes of memory for models, and slots.
    pub sizes: Vec<(f64, usize)>,
    /// Answer tokens a second, as an inventory would say.
    pub speeds: Vec<f64>,
    /// Requests under way, by machine and model.
    pub outstanding: Vec<[usize; MODELS.len()]>,
    /// For drawing lots.
    pub random: Random,
}

impl Known {
    /// Requests under way at a machine.
    pub fn load_of(&self, node: NodeNo) -> usize {
        self.outstanding[node.0].iter().sum()
    }

    /// Of `able`, the one with the least of something; the first of equals.
    pub fn least<T: PartialOrd>(able: &[NodeNo], of: impl Fn(NodeNo) -> T) -> NodeNo {
        let mut best = able[0];
        for node in &able[1..] {
            if of(*node) < of(best) {
                best = *node;
            }
        }
        best
    }
}

#[derive(Clone, Debug)]
struct Open {
    request: Request,
    node: NodeNo,
    sent: Time,
    tried: Vec<NodeNo>,
}

/// A router that sends each request at once to whom its choice names.
#[derive(Debug)]
pub struct Early<C> {
    choice: C,
    known: Known,
    open: Vec<Option<Open>>,
}

impl<C: Choice> Early<C> {
    /// With nothing known yet.
    pub fn new(choice: C, seed: u64) -> Self {
        let known = Known {
            now: Time::default(),
            beats: Vec::new(),
            sizes: Vec::new(),
            speeds: Vec::new(),
            outstanding: Vec::new(),
            random: Random::new(seed, "early"),
        };
        Self { choice, known, open: Vec::new() }
    }

    fn beat(&mut self, no: NodeNo, node: &Node) {
        let count = self.known.beats.len().max(no.0 + 1);
        self.known.beats.resize(count, Beat::default());
        self.known.outstanding.resize(count, Default::default());
        self.known.sizes.resize(count, (0.0, 1));
        self.known.speeds.resize(count, 0.0);
        self.known.sizes[no.0] = (node.spec.memory, node.spec.slots);
        self.known.speeds[no.0] = node.spec.decode[1];
        if node.health == Health::Well {
            self.known.beats[no.0] = Beat {
                at: self.known.now,
                resident: std::array::from_fn(|model| node.is_resident(ModelId(model))),
                cached: std::array::from_fn(|model| node.loads.is_cached(ModelId(model))),
                free: node.spec.memory - node.used(),
                listed: node.on_disk,
            };
        }
    }

    fn send(&mut self, request: Request, tried: Vec<NodeNo>, actions: &mut Vec<Action>) {
        let model = request.model;
        let beats = self.known.beats.iter().enumerate();
        let holders: Vec<NodeNo> =
            beats.filter(|(_, beat)| beat.listed[model.0]).map(|(no, _)| NodeNo(no)).collect();
        let is_heard = |node: &NodeNo| self.known.now - self.known.beats[node.0].at < SILENT;
        let fresh = holders.iter().filter(|node| is_heard(node) && !tried.contains(node)).copied().collect();
        let able: Vec<NodeNo> = if tried.len() as u32 >= TRIES { Vec::new() } else { fresh };
        let no = request.no;
        if able.is_empty() {
            let why = if tried.is_empty() { Refusal::Nobody } else { Refusal::Failed };
            actions.push(Action::Refuse(no, why));
            return;
        }
        let node = self.choice.choose(&request, &able, &self.known);
        self.known.random.bits();
        self.known.outstanding[node.0][model.0] += 1;
        if self.open.len() <= no {
            self.open.resize(no + 1, None);
        }
        self.open[no] = Some(Open { request, node, sent: self.known.now, tried });
        actions.push(Action::Send(no, node));
    }

    fn close(&mut self, no: usize) -> Option<Open> {
        let open = self.open.get_mut(no)?.take()?;
        self.known.outstanding[open.node.0][open.request.model.0] -= 1;
        Some(open)
    }
}

impl<C: Choice> Router for Early<C> {
    fn hear(&mut self, news: &News, sight: Sight<'_>, actions: &mut Vec<Action>) {
        self.known.now = sight.now;
        match news {
            News::Beat(no) => self.beat(*no, &sight.nodes[no.0]),
            News::Asked(request) => self.send(request.clone(), Vec::new(), actions),
            News::Done(no) => {
                if let Some(open) = self.close(*no) {
                    self.choice.answered(open.node, sight.now, (sight.now - open.sent).s());
                }
            }
            News::Left(no) => {
                self.close(*no);
            }
            News::Failed(no) | News::Lost(no) => {
                if let Some(mut open) = self.close(*no) {
                    open.tried.push(open.node);
                    self.send(open.request, open.tried, actions);
                }
            }
            News::FirstToken(_) | News::Loaded(..) | News::LoadFailed(..) | News::Due => {}
        }
    }

    fn held(&self) -> usize {
        self.open.iter().flatten().count()
    }
}
