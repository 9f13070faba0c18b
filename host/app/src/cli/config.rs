//! `herdwick config`: begin, check, look at and undo what is configured. Needs no running router.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::places::Places;
use crate::config::{Config, Env, Flags, Named, Paths, Problems, init, overrides, show};
use crate::failed::Failed;

/// What to do when not even a home folder is known.
const NAME_A_FOLDER: &str = "name the folder with --config-dir DIR";

/// Options of `herdwick config`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    places: Places,
}

#[derive(Subcommand)]
enum Command {
    /// Write a herdwick.toml with every key and its default.
    Init,
    /// Tell everything that is wrong, or what holds.
    Check {
        /// The file to check in place of the configured one.
        #[arg(conflicts_with = "config")]
        file: Option<PathBuf>,
    },
    /// Print what holds: flags before environment before overrides.toml before herdwick.toml before defaults.
    Show {
        /// Say for each value where it comes from.
        #[arg(long)]
        sources: bool,
        /// Print JSON, with the sources.
        #[arg(long)]
        json: bool,
    },
    /// Remove what a command or the dashboard changed.
    Reset {
        /// A key like limits.body, or a section like plugins.queue-depth.
        key: String,
    },
}

impl Args {
    /// Runs the command.
    pub(crate) fn run(self, env: &Env) -> anyhow::Result<()> {
        let named = self.places.named();
        match self.command {
            Command::Init => begin(env, &named),
            Command::Check { file } => check(env, Named { config: file.or(named.config.clone()), ..named }),
            Command::Show { sources, json } => {
                let config = load(env, named)?;
                let text = match (json, sources) {
                    (true, _) => show::json(&config),
                    (false, true) => show::places(&config) + &show::settings_with_sources(&config),
                    (false, false) => show::settings(&config),
                };
                print(&text);
                Ok(())
            }
            Command::Reset { key } => reset(env, &key, &named),
        }
    }
}

fn begin(env: &Env, named: &Named) -> anyhow::Result<()> {
    let file = Paths::find(env, named).config_file();
    let file = file.ok_or_else(|| Failed::plainly("no configuration folder is known here", NAME_A_FOLDER))?;
    init::write(&file)?;
    print(&format!("wrote {}\n", file.display()));
    Ok(())
}

fn check(env: &Env, named: Named) -> anyhow::Result<()> {
    let config = load(env, named)?;
    let read: Vec<_> = config.files().into_iter().filter(|file| file.is_file()).collect();
    let read = match read.as_slice() {
        [] => "there is no file, so defaults hold".to_owned(),
        read => read.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    let warnings: String = config.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    print(&format!("ok: {read}\n{warnings}\n{}", show::settings(&config)));
    Ok(())
}

fn reset(env: &Env, key: &str, named: &Named) -> anyhow::Result<()> {
    let file = Paths::find(env, named).overrides_file();
    let file = file.ok_or_else(|| Failed::plainly("no configuration folder is known here", NAME_A_FOLDER))?;
    if overrides::reset(&file, key)? {
        print(&format!("removed {key} from {}\n", file.display()));
        return Ok(());
    }
    let next = match overrides::keys(&file)?.as_slice() {
        [] => "there is no override at all; `herdwick config show --sources` tells where values come from"
            .to_owned(),
        keys => format!("overridden are: {}", keys.join(", ")),
    };
    Err(Failed::plainly(format!("{key} is not overridden in {}", file.display()), next))
}

fn load(env: &Env, named: Named) -> anyhow::Result<Config> {
    Config::load(&Flags { named, ..Flags::default() }, env).map_err(refused)
}

/// Problems of the configuration as an error of the program.
pub(crate) fn refused(problems: Problems) -> anyhow::Error {
    Failed::plainly(problems.to_string(), problems.next())
}

fn print(text: &str) {
    // Without a standard output there is nobody to tell.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
