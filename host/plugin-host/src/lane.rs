//! Instances that are ready: a lane is one instance of each plugin of one set. A request takes a lane and puts
//! it back; nothing is instantiated on its path.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Engine;

use crate::engine::Ticker;
use crate::fault::Fault;
use crate::instance::Instance;
use crate::limits;
use crate::load::Loaded;

/// One instance of each plugin, in the set's order; `None` where one died.
pub(crate) struct Lane {
    pub(crate) instances: Vec<Option<Instance>>,
    /// Reused for each plugin's rows.
    pub(crate) rows: Vec<f64>,
}

/// The lanes of one set.
pub(crate) struct Lanes {
    free: Mutex<Vec<Lane>>,
}

impl Lanes {
    /// Builds all lanes.
    pub(crate) fn build(
        engine: &Engine,
        ticker: &Arc<Ticker>,
        plugins: &[Loaded],
    ) -> Result<Self, (usize, Fault)> {
        let lane = || {
            let instances = plugins.iter().enumerate().map(|(index, plugin)| {
                plugin.instance(engine, ticker).map(Some).map_err(|fault| (index, fault))
            });
            Ok(Lane { instances: instances.collect::<Result<_, _>>()?, rows: Vec::new() })
        };
        let lanes = (0..limits::LANES).map(|_| lane()).collect::<Result<_, _>>()?;
        Ok(Self { free: Mutex::new(lanes) })
    }

    /// A lane, unless all are out.
    pub(crate) fn take(&self) -> Option<Lane> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts it back.
    pub(crate) fn put(&self, lane: Lane) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// Replaces what died, one lane at a time, so that the others stay in service. Off the request path.
    pub(crate) fn mend(&self, engine: &Engine, ticker: &Arc<Ticker>, plugins: &[Loaded]) {
        // Each lane is looked at once: a lane goes back on top, so all are taken before one is put back.
        let mut mended = Vec::new();
        while let Some(lane) = self.take_broken() {
            mended.push(lane);
        }
        for mut lane in mended {
            for (instance, plugin) in lane.instances.iter_mut().zip(plugins) {
                if instance.is_none() {
                    match plugin.instance(engine, ticker) {
                        Ok(new) => *instance = Some(new),
                        Err(fault) => {
                            tracing::warn!(plugin = %plugin.described.id, "cannot restart: {fault}");
                        }
                    }
                }
            }
            self.put(lane);
        }
    }

    fn take_broken(&self) -> Option<Lane> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = free.iter().position(|lane| lane.instances.iter().any(Option::is_none))?;
        Some(free.swap_remove(broken))
    }
}
