//! An immutable picture of the fleet. A decision pins one; the next decision takes the newest.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::{Backend, Holding};
use crate::id::Generation;
use crate::learned::Hour;
use crate::model::ModelName;
use crate::node::Node;

/// The fleet at one generation. What did not change is shared with the picture before.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Moves with every published picture.
    pub generation: Generation,
    /// Moves only when members, their reach or their models change.
    pub topology: Generation,
    hour: Option<Hour>,
    backends: Vec<Arc<Backend>>,
    index: Arc<Index>,
}

/// What is found by name. It changes with members and models only, a thousand times more seldom than readings, and is
/// shared by all pictures in between: making it anew takes a millisecond for a thousand machines of ten models.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Places of backends in the picture, by the models that they hold.
    holders: HashMap<ModelName, Vec<usize>>,
    /// Every machine, also one without a server.
    nodes: Vec<Arc<Node>>,
}

impl Index {
    /// Of `backends` in this order.
    pub(crate) fn new(backends: &[Arc<Backend>], nodes: Vec<Arc<Node>>) -> Self {
        let mut holders: HashMap<ModelName, Vec<usize>> = HashMap::new();
        for (place, backend) in backends.iter().enumerate() {
            for name in backend.holdings.keys() {
                match holders.get_mut(name) {
                    Some(places) => places.push(place),
                    None => {
                        holders.insert(name.clone(), vec![place]);
                    }
                }
            }
        }
        Self { holders, nodes }
    }
}

impl Snapshot {
    /// Freezes `backends`, in the order in which they joined, with the index that was made of them.
    pub(crate) fn new(
        (generation, topology): (Generation, Generation),
        backends: Vec<Arc<Backend>>,
        index: Arc<Index>,
    ) -> Self {
        Self { generation, topology, hour: None, backends, index }
    }

    /// The same in this hour of the week.
    pub(crate) fn within(self, hour: Option<Hour>) -> Self {
        Self { hour, ..self }
    }

    /// In which hour of the week it was made, if somebody said; local time of the router.
    pub fn hour(&self) -> Option<Hour> {
        self.hour
    }

    /// Every model server, in the order in which they joined.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Every machine, by id; also one that runs no model server.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.index.nodes
    }

    /// Who holds the model, reachable or not.
    pub fn holders<'a>(
        &'a self,
        model: &'a ModelName,
    ) -> impl Iterator<Item = (&'a Arc<Backend>, &'a Arc<Holding>)> {
        self.index.holders.get(model).into_iter().flatten().filter_map(move |place| {
            let backend = self.backends.get(*place)?;
            Some((backend, backend.holdings.get(model)?))
        })
    }

    /// All names that somebody holds, sorted.
    pub fn models(&self) -> Vec<&ModelName> {
        let mut names: Vec<_> = self.index.holders.keys().collect();
        names.sort();
        names
    }
}
