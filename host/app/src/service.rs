//! `herdwick service`: what keeps a router or an agent running without anybody who starts it. A definition is text that
//! the system's own manager reads: systemd on Linux, launchd on macOS, the task scheduler on Windows.
//!
//! What is to be done is a value (`plan`), made of the platform and the environment, so that it is tested for all
//! platforms on one; `carry_out` does it, whole or not at all.

mod argument;
pub(crate) mod carry_out;
pub(crate) mod plan;
mod plist;
mod task;
mod unit;
mod xml;

use std::path::PathBuf;
use std::time::Duration;

/// Which of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// What clients ask: `herdwick serve`.
    Router,
    /// What tells routers of the machine that it runs on: `herdwick node`.
    Node,
}

/// Who it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Whoever installs it.
    User,
    /// The machine: it runs before anybody logs in, as a user of its own where there is such a thing.
    System,
}

/// Who keeps it running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Manager {
    /// Linux.
    Systemd,
    /// macOS.
    Launchd,
    /// The task scheduler of Windows: a service proper would have to talk to Windows' service manager.
    Windows,
}

/// A service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) kind: Kind,
    pub(crate) scope: Scope,
    /// The binary, as an absolute path.
    pub(crate) program: PathBuf,
    /// What it is told besides its command.
    pub(crate) flags: Vec<String>,
    /// How long it may take to stop.
    pub(crate) stop: Duration,
}

impl Kind {
    /// The subcommand that runs it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Router => "serve",
            Self::Node => "node",
        }
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Node => "node",
        }
    }

    /// What a manager that has one word for it calls it.
    fn unit(self) -> &'static str {
        match self {
            Self::Router => "herdwick",
            Self::Node => "herdwick-node",
        }
    }

    /// For people who look at a list of services.
    fn description(self) -> &'static str {
        match self {
            Self::Router => "Herdwick router: one endpoint in front of machines that run local models",
            Self::Node => "Herdwick agent: tells routers of this machine's local models",
        }
    }
}

impl Scope {
    /// The flag that asks for it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::User => "--user",
            Self::System => "--system",
        }
    }
}

impl Manager {
    /// The one of the system that this program was built for.
    pub(crate) fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Launchd
        } else {
            Self::Systemd
        }
    }
}

impl Service {
    /// The command line, the program first.
    fn words(&self) -> Vec<String> {
        let program = self.program.display().to_string();
        [program, self.kind.command().to_owned()].into_iter().chain(self.flags.iter().cloned()).collect()
    }

    /// The definition's text, as it is printed.
    pub(crate) fn text(&self, manager: Manager, account: &plan::Account) -> String {
        match manager {
            Manager::Systemd => unit::text(self),
            Manager::Launchd => plist::text(self, account),
            Manager::Windows => task::text(self, account),
        }
    }
}

#[cfg(test)]
impl Service {
    /// A service whose program and flags are as hard to write down as any.
    fn hard(scope: Scope, program: &str) -> Self {
        let flags = HARD.map(str::to_owned).to_vec();
        Self { kind: Kind::Router, scope, program: program.into(), flags, stop: Duration::from_secs(150) }
    }
}

/// What every definition must carry unchanged.
#[cfg(test)]
const HARD: [&str; 14] = [
    "--node",
    "studio=http://10.0.0.5:11434,slots=4",
    "two words",
    "",
    "\"quoted\" it's",
    "100%h %% %n",
    "$HOME ${HOME} $$",
    "back\\slash\\",
    "tail\\\\\" \\",
    "<a & b>]]>",
    ";",
    "schön 羊 🐑",
    "#no comment",
    "-x=\u{a0}y",
];
