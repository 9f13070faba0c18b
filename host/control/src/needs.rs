//! What the admin API wants of parts that the control plane does not know; whoever assembles the program adapts
//! them.

use std::sync::Arc;

use herdwick_fleet::Decision;
use herdwick_wire::admin::{FindingView, PluginsView};

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

    /// What each live signal says of each row of a decision: plugin name, one phrase per row.
    fn explain(&self, decision: &Arc<Decision>) -> Vec<(String, Vec<String>)>;
}
