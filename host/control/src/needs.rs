//! What the control plane wants of parts that it does not know; whoever assembles the program adapts them.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::{Decision, ModelName, Moment, NodeId, Profile, Remembered, RowId, Snapshot};
use herdwick_wire::admin::{FindingView, PluginsView};
use herdwick_wire::bench::BenchRunView;

/// The plugins, as the admin API sees them.
pub trait Plugins: Send + Sync {
    /// All of them, and how the last change went.
    fn list(&self) -> PluginsView;

    /// Looks at folder and configuration now; then as [`Plugins::list`].
    fn reload(&self) -> PluginsView;

    /// Goes back to the version of a plugin before the live one; then as [`Plugins::list`].
    ///
    /// # Errors
    /// There is none to go back to.
    fn roll_back(&self, plugin: &str) -> Result<PluginsView, String>;

    /// What the health plugins find wrong now, worst first.
    fn findings(&self) -> Vec<FindingView>;

    /// How a request would be decided now. Nothing is sent, and nobody hears of it.
    fn judge(&self, profile: &Profile, fleet: &Snapshot, now: Moment) -> Arc<Decision>;

    /// What each live signal says of each row of a decision: plugin name, one phrase per row.
    fn explain(&self, decision: &Arc<Decision>) -> Vec<(String, Vec<String>)>;
}

/// What becomes of models in memory, as the admin API wants it; dispatch does it when the machine is free for it.
pub trait Residence: Send + Sync {
    /// Has a model loaded on a backend, or let go of.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn wish(&self, is_wanted: bool, backend: RowId, model: &ModelName) -> Result<(), String>;
}

/// What outlives the router. Called on the control thread by the keeper of the fleet, so that nothing here may wait for
/// a disk: whoever implements it hands what it is told to a thread of its own.
pub trait Memory: Send + Sync {
    /// What is remembered, once, when the router starts. Machines that the configuration names are told before.
    fn load(&self) -> Vec<Remembered>;

    /// Remembers a machine as it is now, in place of what was remembered of it. Told when something of it changes, not
    /// with every heartbeat.
    fn keep(&self, node: &Remembered);

    /// Remembers nothing of a machine.
    fn forget(&self, node: NodeId);

    /// How long ago a machine was there for the last time before the router started; `None` = nobody remembers.
    fn last_seen(&self, node: NodeId) -> Option<Duration>;

    /// Remembers what was learned since this was asked last.
    fn keep_learned(&self) {}

    /// Remembers a run that ended just now, together with what was learned since that was asked last: both or neither.
    fn add_run(&self, _node: NodeId, _run: BenchRunView) {}

    /// Runs that are remembered, the newest first.
    fn runs(&self) -> Vec<BenchRunView> {
        Vec::new()
    }

    /// Calls `then` as soon as what was told before is safe, or cannot be made so for now; on whatever thread.
    fn safe(&self, then: Box<dyn FnOnce() + Send>);
}

/// Nothing outlives the router.
#[derive(Debug)]
pub struct NoMemory;

impl Memory for NoMemory {
    fn load(&self) -> Vec<Remembered> {
        Vec::new()
    }

    fn keep(&self, _: &Remembered) {}

    fn forget(&self, _: NodeId) {}

    fn last_seen(&self, _: NodeId) -> Option<Duration> {
        None
    }

    fn safe(&self, then: Box<dyn FnOnce() + Send>) {
        then();
    }
}
