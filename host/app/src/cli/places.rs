//! Flags that say where files lie, the same for every command that reads the configuration.

use std::path::PathBuf;

use crate::config::Named;

/// Where files lie, if not where the platform wants them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Places")]
pub(crate) struct Places {
    /// Configuration file; default: herdwick.toml in the configuration folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Configuration folder: herdwick.toml, overrides.toml, plugins/.
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,

    /// Folder for what must survive.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Folder for what can be made again.
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

impl Places {
    /// As the configuration takes them.
    pub(crate) fn named(self) -> Named {
        Named {
            config: self.config,
            config_dir: self.config_dir,
            state_dir: self.state_dir,
            cache_dir: self.cache_dir,
        }
    }
}
