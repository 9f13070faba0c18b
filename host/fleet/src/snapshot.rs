//! An immutable picture of the fleet. A decision pins one; the next decision takes the newest.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::{Backend, Holding};
use crate::id::Generation;
use crate::model::ModelName;

/// The fleet at one generation. Backends that did not change are shared with the picture before.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Moves with every published picture.
    pub generation: Generation,
    /// Moves only when members, their reach or their models change.
    pub topology: Generation,
    backends: Vec<Arc<Backend>>,
    holders: HashMap<ModelName, Vec<usize>>,
}

impl Snapshot {
    /// Freezes `backends`, in the order in which they joined.
    pub fn new(generation: Generation, topology: Generation, backends: Vec<Arc<Backend>>) -> Self {
        let mut holders: HashMap<ModelName, Vec<usize>> = HashMap::new();
        for (index, backend) in backends.iter().enumerate() {
            for name in backend.holdings.keys() {
                holders.entry(name.clone()).or_default().push(index);
            }
        }
        Self { generation, topology, backends, holders }
    }

    /// Everybody, in the order in which they joined.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Who holds the model, reachable or not.
    pub fn holders<'a>(
        &'a self,
        model: &'a ModelName,
    ) -> impl Iterator<Item = (&'a Arc<Backend>, &'a Arc<Holding>)> {
        self.holders.get(model).into_iter().flatten().filter_map(move |index| {
            let backend = self.backends.get(*index)?;
            Some((backend, backend.holdings.get(model)?))
        })
    }

    /// All names that somebody holds, sorted.
    pub fn models(&self) -> Vec<&ModelName> {
        let mut names: Vec<_> = self.holders.keys().collect();
        names.sort();
        names
    }
}
