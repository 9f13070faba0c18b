//! What operators want loaded, let go of, or kept. A wish is taken down and carried out as soon as its machine has no other
//! load; it goes the way of every load, so nobody's running request is cut off by it.

use std::fmt;
use std::sync::Arc;

use crate::backend::{Backend, Holding};
use crate::candidate::Candidate;
use crate::id::RowId;
use crate::model::ModelName;

use super::answer::Cause;
use super::eye::is_absent;
use super::loads::{Load, LoadState, Loads, Wants};
use super::{Dispatch, World};

/// Wishes that wait for their machines. More than anybody types.
const MOST: usize = 256;

/// What an operator may want of a model on a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That it is in memory, with this context (`num_ctx`) if it has to be loaded.
    Load {
        /// `None` = as the server does by itself.
        context: Option<u32>,
    },
    /// That it is not. It is let go of when its requests have ended, and a pin is taken off.
    Unload,
    /// That it is in memory and stays there.
    Pin,
    /// That it stays no longer than it is worth.
    Unpin,
}

/// Why a wish cannot be taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfulfilled {
    /// There is no such backend.
    NoBackend,
    /// It does not hold the model.
    NoModel,
    /// What would have to give way is pinned.
    NoRoom,
    /// Its server loads and lets go of models by itself only.
    NotItsWay,
    /// Too many wishes wait already.
    TooMany,
}

impl fmt::Display for Unfulfilled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoBackend => "there is no such backend",
            Self::NoModel => "it does not hold that model",
            Self::NoRoom => "what would have to give way is pinned there",
            Self::NotItsWay => "its server loads and lets go of models only by itself",
            Self::TooMany => "too many such wishes wait already",
        })
    }
}

impl std::error::Error for Unfulfilled {}

/// A wish that waits for its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wished {
    row: RowId,
    model: u32,
    /// `None` = let go of it.
    load: Option<Option<u32>>,
}

impl Dispatch {
    /// Takes a wish down. What it leads to are actions of the next turn.
    ///
    /// # Errors
    /// Why nothing of it can be done.
    pub fn wish(
        &mut self,
        wish: Wish,
        (row, name): (RowId, &ModelName),
        world: World<'_>,
    ) -> Result<(), Unfulfilled> {
        self.look_around(world);
        let (backend, holding) = find(world, row, name)?;
        if !backend.kind.has_options() {
            return Err(Unfulfilled::NotItsWay);
        }
        let model = self.models.number(name).ok_or(Unfulfilled::NoModel)?;
        let load = match wish {
            Wish::Unpin => None,
            Wish::Unload => Some(None),
            Wish::Load { context } => Some(Some(context)),
            Wish::Pin => Some(Some(None)),
        };
        if let Some(Some(_)) = load
            && self.eye(world.now).plan(backend, holding, model).is_none()
        {
            return Err(Unfulfilled::NoRoom);
        }
        if load.is_some() && self.wishes.len() >= MOST {
            return Err(Unfulfilled::TooMany);
        }
        self.works.change(row, model, |station| match wish {
            Wish::Pin => station.pinned = true,
            Wish::Unpin | Wish::Unload => station.pinned = false,
            Wish::Load { .. } => {}
        });
        self.pins = self.works.iter().filter(|(_, station)| station.pinned).count();
        if let Some(load) = load {
            // The last word on a model counts.
            self.wishes.retain(|wished| (wished.row, wished.model) != (row, model));
            self.wishes.push(Wished { row, model, load });
            self.due = true;
        }
        Ok(())
    }

    /// Whether a model is pinned on a backend.
    pub fn is_pinned(&self, row: RowId, name: &ModelName) -> bool {
        let station = self.models.number(name).and_then(|model| self.works.get(row, model));
        station.is_some_and(|station| station.pinned)
    }

    /// Whether a model takes no new work on a backend, since it gives way to another or is loaded anew.
    pub fn is_giving_way(&self, row: RowId, name: &ModelName) -> bool {
        let station = self.models.number(name).and_then(|model| self.works.get(row, model));
        station.is_some_and(|station| station.closed.is_some())
    }

    /// Begins what is wished where the machine has no other load. One that cannot be done any more is forgotten.
    pub(super) fn fulfil(&mut self, world: World<'_>) {
        for wished in std::mem::take(&mut self.wishes) {
            let Some(name) = self.models.name(wished.model).cloned() else { continue };
            let Ok((backend, holding)) = find(world, wished.row, &name) else { continue };
            if self.loads.on(backend.node.id).is_some() {
                // The end of that load is followed by a turn.
                self.wishes.push(wished);
                continue;
            }
            let is_absent = is_absent(backend, holding, world.now);
            let candidate = Candidate { backend: Arc::clone(backend), holding: Arc::clone(holding) };
            match wished.load {
                Some(context) if is_absent => {
                    let endpoint = self.usual_endpoint(wished.model);
                    let wants = Wants { context, cause: Cause::Operator, endpoint };
                    self.plan_load(&candidate, wished.model, wants, world);
                }
                None if !is_absent => self.plan_unload(candidate, wished.model, world),
                _ => {}
            }
        }
    }

    fn plan_unload(&mut self, candidate: Candidate, model: u32, world: World<'_>) {
        let Candidate { backend, holding } = candidate;
        let id = self.loads.number();
        self.works.change(backend.row, model, |station| station.closed = Some(id));
        let slow_down = self.works.slow_down(backend.row, model, &self.rules.tuning);
        let station = self.works.get(backend.row, model);
        let drain_ms = station.map_or(0.0, |station| station.longest_rest_ms(world.now, slow_down));
        let state = LoadState::Draining { until: Loads::drains_until(drain_ms, world.now) };
        let closes = vec![model];
        let load = Load {
            id,
            backend,
            holding,
            model,
            wants: None,
            closes,
            state,
            is_blind: false,
            predicted_ms: 0.0,
        };
        self.loads.add(load);
        self.tend_loads(world);
    }
}

fn find<'a>(
    world: World<'a>,
    row: RowId,
    name: &ModelName,
) -> Result<(&'a Arc<Backend>, &'a Arc<Holding>), Unfulfilled> {
    let backend = world.snapshot.backends().iter().find(|backend| backend.row == row);
    let backend = backend.ok_or(Unfulfilled::NoBackend)?;
    Ok((backend, backend.holdings.get(name).ok_or(Unfulfilled::NoModel)?))
}
