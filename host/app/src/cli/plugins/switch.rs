//! `herdwick plugins enable|disable|rollback`: changes what runs. On and off are written where commands write
//! (`overrides.toml`), never into the operator's own file; a version that was taken back is forgotten at a restart.

use anyhow::Context as _;
use herdwick_wire::admin::PluginsView;

use super::{Ask, show};
use crate::cli::places::Places;
use crate::config::{Env, Paths, overrides};
use crate::failed::Failed;

/// Options of `enable` and `disable`.
#[derive(clap::Args)]
pub(crate) struct Switch {
    /// The plugin.
    name: String,
    #[command(flatten)]
    ask: Ask,
    #[command(flatten)]
    places: Places,
}

/// Options of `rollback`.
#[derive(clap::Args)]
pub(crate) struct Rollback {
    /// The plugin.
    name: String,
    #[command(flatten)]
    ask: Ask,
}

impl Switch {
    /// Writes it down and has the router look.
    pub(crate) fn run(&self, on: bool) -> anyhow::Result<()> {
        // A name that the router does not know is refused before anything is written.
        let known: PluginsView = self.ask.router.get("/admin/v1/plugins")?;
        let names: Vec<&str> = known.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        if !names.contains(&self.name.as_str()) {
            let near = names.iter().min_by_key(|name| herdwick_fleet::nearest::distance(name, &self.name));
            let near = near.map_or(String::new(), |near| format!("; the nearest is {near:?}"));
            let what = format!("there is no plugin {:?}{near}", self.name);
            return Err(Failed::plainly(what, "see `herdwick plugins list`"));
        }
        let paths = Paths::find(&Env::of_process(), &self.places.clone().named());
        let file =
            paths.overrides_file().context("no configuration folder is known; name one with --config-dir")?;
        overrides::set(&file, &format!("plugins.{}.enabled", self.name), on)?;
        show(&self.ask, &self.ask.router.post("/admin/v1/plugins/reload")?)
    }
}

impl Rollback {
    /// Has the router go back.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let path = format!("/admin/v1/plugins/{}/rollback", self.name);
        show(&self.ask, &self.ask.router.post(&path)?)
    }
}
