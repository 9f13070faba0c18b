//! `herdwick service`: keeps a router or an agent running without anybody who starts it.

use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use clap::{CommandFactory as _, Subcommand};

use super::{Cli, print, usage};
use crate::config::{Config, Env, Flags};
use crate::failed::Failed;
use crate::service::plan::{self, Account, BOOTED, Plan};
use crate::service::{Kind, Manager, Scope, Service, carry_out};

/// What a stop may take beyond the time that answers are let run for.
const BEYOND: Duration = Duration::from_secs(30);
/// How much of what a command said is repeated.
const SAID: usize = 300;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Have it run from now on, also after the machine was started anew.
    Install {
        #[command(flatten)]
        which: Which,
        /// What the service is told, as `herdwick serve` or `herdwick node` takes it.
        #[arg(last = true, value_name = "FLAGS")]
        flags: Vec<String>,
    },
    /// End it, and have it run no more. What it remembers stays.
    Uninstall {
        #[command(flatten)]
        which: Which,
    },
    /// Print what `install` would write, and change nothing.
    Print {
        #[command(flatten)]
        which: Which,
        /// Whose definition. Default: that of this system.
        #[arg(long = "for", value_name = "MANAGER")]
        manager: Option<Manager>,
        /// What the service is told, as `herdwick serve` or `herdwick node` takes it.
        #[arg(last = true, value_name = "FLAGS")]
        flags: Vec<String>,
    },
}

/// Which service.
#[derive(clap::Args)]
pub(crate) struct Which {
    #[arg(value_enum, default_value = "router", hide_possible_values = true)]
    /// `router`, which clients ask, or `node`, the agent on a machine with models.
    service: Kind,
    /// For you alone; the default unless root asks.
    #[arg(long, conflicts_with = "system")]
    user: bool,
    /// For the machine, before anybody logs in; the default when root asks.
    #[arg(long)]
    system: bool,
}

impl Which {
    fn scope(&self) -> Scope {
        match (self.user, self.system) {
            (true, _) => Scope::User,
            (_, true) => Scope::System,
            _ if user_id() == 0 => Scope::System,
            _ => Scope::User,
        }
    }
}

impl Command {
    /// Does it, and says each step.
    pub(crate) fn run(self, env: &Env) -> anyhow::Result<()> {
        let account = Account::of_process(env, user_id())?;
        let mut tell = |line: &str| {
            // Without an output there is nobody to tell, and the work goes on.
            let _ = print::text(&format!("{line}\n"));
        };
        match self {
            Self::Print { which, manager, flags } => {
                let manager = manager.unwrap_or(Manager::here());
                let service = service(&which, &flags)?;
                // What could not be installed is not printed either.
                Plan::new(&service, manager, &account)?;
                print::text(&service.text(manager, &account))
            }
            Self::Install { which, flags } => {
                let service = service(&which, &flags)?;
                let plan = Plan::new(&service, Manager::here(), &account)?;
                is_managed(&service)?;
                plan::is_reachable(&service, Manager::here())?;
                unseen(env).iter().for_each(|line| tell(line));
                carry_out::install(&plan, &mut run, &mut tell)
            }
            Self::Uninstall { which } => {
                let service = service(&which, &[])?;
                let plan = Plan::new(&service, Manager::here(), &account)?;
                is_managed(&service)?;
                carry_out::uninstall(&plan, &mut run, &mut tell)
            }
        }
    }
}

/// The service, with its flags understood as the program itself will.
fn service(which: &Which, flags: &[String]) -> anyhow::Result<Service> {
    let root = Cli::command();
    let words: Vec<String> = ["herdwick", which.service.command()]
        .into_iter()
        .map(str::to_owned)
        .chain(flags.iter().cloned())
        .collect();
    if let Err(error) = root.clone().try_get_matches_from(&words) {
        return Err(usage::told(&error, &root, words.get(1..).unwrap_or_default()));
    }
    let here = std::env::current_dir().unwrap_or_else(|_| Path::new("/").to_owned());
    let drain = Config::load(&Flags::default(), &Env::of_process()).map(|config| config.limits.drain);
    let stop = drain.unwrap_or_else(|_| herdwick_proxy::Limits::default().drain) + BEYOND;
    plan::service((which.service, which.scope()), std::env::current_exe(), (flags, &here), stop)
}

/// Refuses where nobody would read the definition.
fn is_managed(service: &Service) -> anyhow::Result<()> {
    if Manager::here() != Manager::Systemd || Path::new(BOOTED).is_dir() {
        return Ok(());
    }
    let command = format!("{} {}", service.program.display(), service.kind.command());
    Err(Failed::because(
        anyhow::anyhow!("systemd does not run this machine ({BOOTED} is not there), as in most containers"),
        "there is nothing here that would keep a service running",
        format!(
            "have what starts this machine or container run `{command}`; `herdwick service print` shows a unit"
        ),
    ))
}

/// Variables of this shell that the service will not have.
fn unseen(env: &Env) -> Vec<String> {
    let told = |name: &String| {
        format!("note: the service does not see {name} of this shell; write it into herdwick.toml")
    };
    env.names("HERDWICK_").iter().map(told).collect()
}

/// Runs a command; what it said, if it failed.
fn run(words: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let ended = Process::new(program).args(arguments).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| crate::failed::plain(&error.to_string()))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr).trim().chars().take(SAID).collect::<String>();
    Err(if said.is_empty() { ended.status.to_string() } else { said.replace('\n', " ") })
}

/// The number of whoever asks; 0 is root.
#[cfg(unix)]
fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user_id() -> u32 {
    1
}
