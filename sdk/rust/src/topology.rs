//! What a plugin may be told about the fleet when membership, labels or models change.
//! Must not know: readings, which come with each call instead.

pub use herdwick_sdk_contract_signal::herdwick::plugin::types::{Backend, Model};

/// Which backends there are and which models each of them holds.
#[derive(Clone, Copy, Debug)]
pub struct Topology<'a> {
    /// Grows with each change.
    pub generation: u32,
    /// Every model known to the fleet, once.
    pub models: &'a [Model],
    /// Every backend; its `models` are places in [`Topology::models`], its `slot` is that of its rows.
    pub backends: &'a [Backend],
}

impl<'a> Topology<'a> {
    /// The models a backend holds; a place that does not exist is left out.
    pub fn models_of(self, backend: &Backend) -> impl Iterator<Item = &'a Model> {
        backend.models.iter().filter_map(move |place| self.models.get(usize::try_from(*place).ok()?))
    }
}
