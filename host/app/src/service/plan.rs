//! What is to be done to have a service, or to have it no more: which file, which text, which commands, in which
//! order. A function of the platform and the account; touches nothing.

use std::path::{Path, PathBuf};

use super::{Kind, Manager, Scope, Service, argument, plist, task};
use crate::config::Env;
use crate::failed::Failed;

/// Where systemd looks for what the machine's owner installs.
const SYSTEM_UNITS: &str = "/etc/systemd/system";
/// Where launchd looks for what runs before anybody logs in.
const DAEMONS: &str = "/Library/LaunchDaemons";
/// Is there where systemd runs the machine: `sd_booted(3)`.
pub(crate) const BOOTED: &str = "/run/systemd/system";

/// Whose service it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its name; on Windows with its domain.
    pub(crate) user: String,
    pub(crate) home: PathBuf,
    /// Where its configuration lies, if not where it usually does.
    config: Option<PathBuf>,
    /// The user's number, where there is one.
    id: u32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What the manager calls it.
    pub(crate) name: String,
    /// Where the definition is written.
    pub(crate) file: PathBuf,
    /// What is written there.
    pub(crate) text: Vec<u8>,
    /// What has it run, once the file is there.
    pub(crate) start: Vec<Step>,
    /// What ends it, while the file is still there.
    pub(crate) stop: Vec<Step>,
    /// What is said to the manager once the file is gone.
    pub(crate) forget: Vec<Step>,
    /// What people should know afterwards.
    pub(crate) hints: Vec<String>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) words: Vec<String>,
    /// It fails where there was nothing to do.
    pub(crate) may_fail: bool,
}

impl Account {
    /// Whoever runs this program. With sudo that is whoever asked for it, where a service needs a person's account.
    pub(crate) fn of_process(env: &Env, id: u32) -> anyhow::Result<Self> {
        let text = |name| env.get(name).map(|value| value.to_string_lossy().into_owned());
        let home = ["HOME", "USERPROFILE"].into_iter().find_map(|name| env.get(name)).map(PathBuf::from);
        let next = "log in as the user whose service it is to be";
        let home = home.ok_or_else(|| Failed::plainly("no home folder is known here", next))?;
        let user = match (text("USERDOMAIN"), text("USERNAME")) {
            (Some(domain), Some(user)) if cfg!(windows) => format!("{domain}\\{user}"),
            _ => text("SUDO_USER").or_else(|| text("USER")).or_else(|| text("LOGNAME")).unwrap_or_default(),
        };
        let config = env.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        Ok(Self { user, home, config, id })
    }

    /// Where systemd looks for a user's units.
    fn units(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.home.join(".config")).join("systemd/user")
    }
}

impl Plan {
    /// What is to be done on this kind of machine.
    pub(crate) fn new(service: &Service, manager: Manager, account: &Account) -> anyhow::Result<Self> {
        argument::check(&service.words(), service.scope, manager)?;
        let text = service.text(manager, account);
        Ok(match manager {
            Manager::Systemd => systemd(service, text, account),
            Manager::Launchd => launchd(service, text, account)?,
            Manager::Windows => windows(service, &text, account),
        })
    }
}

impl Step {
    fn of(line: &str) -> Self {
        Self { words: line.split(' ').map(str::to_owned).collect(), may_fail: false }
    }

    fn with(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    fn or_nothing(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// As it is typed, for people.
    pub(crate) fn shown(&self) -> String {
        let word = |word: &String| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
        self.words.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

fn systemd(service: &Service, text: String, account: &Account) -> Plan {
    let name = format!("{}.service", service.kind.unit());
    let (systemctl, journalctl, folder) = match service.scope {
        Scope::User => ("systemctl --user", "journalctl --user", account.units()),
        Scope::System => ("systemctl", "journalctl", PathBuf::from(SYSTEM_UNITS)),
    };
    let step = |what: &str| Step::of(&format!("{systemctl} {what} {name}"));
    let reload = Step::of(&format!("{systemctl} daemon-reload"));
    let mut hints =
        vec![format!("see it: {systemctl} status {name}"), format!("its log: {journalctl} -u {name} -f")];
    if service.scope == Scope::User {
        hints.push("it ends when you log out; to have it run always: loginctl enable-linger".to_owned());
    }
    Plan {
        file: folder.join(&name),
        text: text.into_bytes(),
        start: vec![reload.clone(), step("enable"), step("restart")],
        stop: vec![step("disable --now")],
        forget: vec![reload],
        hints,
        name,
    }
}

fn launchd(service: &Service, text: String, account: &Account) -> anyhow::Result<Plan> {
    let name = plist::label(service.kind);
    let (domain, folder) = match service.scope {
        Scope::User => (format!("gui/{}", account.id), account.home.join("Library/LaunchAgents")),
        Scope::System => ("system".to_owned(), PathBuf::from(DAEMONS)),
    };
    if service.scope == Scope::System && matches!(account.user.as_str(), "" | "root") {
        let next =
            "ask with sudo from the account that it is to run as: sudo herdwick service install --system";
        return Err(Failed::plainly("root should not open ports to a network", next));
    }
    let file = folder.join(format!("{name}.plist"));
    let unload = Step::of(&format!("launchctl bootout {domain}/{name}")).or_nothing();
    let load = Step::of(&format!("launchctl bootstrap {domain}")).with(file.display().to_string());
    let enable = Step::of(&format!("launchctl enable {domain}/{name}"));
    let hints = vec![
        format!("see it: launchctl print {domain}/{name}"),
        format!("its log: {}/Library/Logs/{}.log", account.home.display(), service.kind.unit()),
    ];
    let start = vec![unload.clone(), enable, load];
    Ok(Plan { name, file, text: text.into_bytes(), start, stop: vec![unload], forget: Vec::new(), hints })
}

fn windows(service: &Service, text: &str, account: &Account) -> Plan {
    let name = task::name(service.kind).to_owned();
    let file = account.home.join("AppData/Local/herdwick").join(format!("{}.xml", service.kind.unit()));
    let step = |what: &str| Step::of(&format!("schtasks {what} /TN")).with(name.clone());
    let create = step("/Create").with("/XML").with(file.display().to_string()).with("/F");
    let start = vec![step("/End").or_nothing(), create, step("/Run")];
    let stop = vec![step("/End").or_nothing(), step("/Delete").with("/F")];
    let hints = vec![format!("see it: schtasks /Query /TN \"{name}\" /V /FO LIST")];
    Plan { file, text: task::bytes(text), start, stop, forget: Vec::new(), hints, name }
}

/// The service that is asked for, with what cannot work refused.
pub(crate) fn service(
    (kind, scope): (Kind, Scope),
    program: std::io::Result<PathBuf>,
    (flags, here): (&[String], &Path),
    stop: std::time::Duration,
) -> anyhow::Result<Service> {
    let program = argument::program(program)?;
    Ok(Service { kind, scope, program, flags: argument::settled(flags, here), stop })
}

/// Refuses a service whose user could not run the program.
pub(crate) fn is_reachable(service: &Service, manager: Manager) -> anyhow::Result<()> {
    if (service.scope, manager) != (Scope::System, Manager::Systemd) {
        return Ok(());
    }
    let Some(closed) = argument::kept_from_others(&service.program) else { return Ok(()) };
    let program = service.program.display();
    Err(Failed::because(
        anyhow::anyhow!(
            "{} is closed to other users, and the service runs as one of its own",
            closed.display()
        ),
        format!("a service of the system could not run {program}"),
        format!(
            "sudo install -m 755 '{program}' /usr/local/bin/herdwick && sudo /usr/local/bin/herdwick service install {}",
            service.kind.name()
        ),
    ))
}

#[cfg(test)]
impl Account {
    /// A made-up account.
    pub(crate) fn of(user: &str, home: &str) -> Self {
        Self { user: user.to_owned(), home: home.into(), config: None, id: 501 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Platform;

    fn plan(kind: Kind, scope: Scope, manager: Manager, user: &str) -> anyhow::Result<Plan> {
        let service = Service { kind, flags: Vec::new(), ..Service::hard(scope, "/usr/local/bin/herdwick") };
        Plan::new(&service, manager, &Account::of(user, "/home/ada"))
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        steps.iter().map(Step::shown).collect()
    }

    #[test]
    fn systemd_is_told_by_its_own_tool() {
        let user = plan(Kind::Node, Scope::User, Manager::Systemd, "ada").unwrap();
        assert_eq!(user.file, Path::new("/home/ada/.config/systemd/user/herdwick-node.service"));
        assert_eq!(
            shown(&user.start),
            [
                "systemctl --user daemon-reload",
                "systemctl --user enable herdwick-node.service",
                "systemctl --user restart herdwick-node.service",
            ]
        );
        assert!(user.hints.iter().any(|hint| hint.contains("enable-linger")));
        let system = plan(Kind::Router, Scope::System, Manager::Systemd, "root").unwrap();
        assert_eq!(system.file, Path::new("/etc/systemd/system/herdwick.service"));
        assert_eq!(shown(&system.stop), ["systemctl disable --now herdwick.service"]);
        assert_eq!(shown(&system.forget), ["systemctl daemon-reload"]);
    }

    #[test]
    fn launchd_is_told_by_its_own_tool() {
        let user = plan(Kind::Router, Scope::User, Manager::Launchd, "ada").unwrap();
        let file = "/home/ada/Library/LaunchAgents/io.github.herdwick.router.plist";
        assert_eq!(user.file, Path::new(file));
        assert_eq!(
            shown(&user.start),
            [
                "launchctl bootout gui/501/io.github.herdwick.router".to_owned(),
                "launchctl enable gui/501/io.github.herdwick.router".to_owned(),
                format!("launchctl bootstrap gui/501 {file}"),
            ]
        );
        let system = plan(Kind::Node, Scope::System, Manager::Launchd, "ada").unwrap();
        assert_eq!(system.file, Path::new("/Library/LaunchDaemons/io.github.herdwick.node.plist"));
        assert!(plan(Kind::Node, Scope::System, Manager::Launchd, "root").is_err());
    }

    #[test]
    fn the_task_scheduler_is_told_by_its_own_tool() {
        let task = plan(Kind::Node, Scope::User, Manager::Windows, r"HOME\ada").unwrap();
        assert_eq!(
            shown(&task.start)[1],
            format!("schtasks /Create /TN \"Herdwick node\" /XML {} /F", task.file.display())
        );
        assert_eq!(&task.text[..2], [0xff, 0xfe]);
    }

    #[test]
    fn an_account_is_read_from_the_environment() {
        let variables =
            [("HOME", "/home/ada"), ("USER", "root"), ("SUDO_USER", "ada"), ("XDG_CONFIG_HOME", "/c")];
        let account = Account::of_process(&Env::of(Platform::Linux, &variables), 0).unwrap();
        assert_eq!((account.user.as_str(), account.units()), ("ada", PathBuf::from("/c/systemd/user")));
        assert!(Account::of_process(&Env::of(Platform::Linux, &[]), 0).is_err());
    }
}
