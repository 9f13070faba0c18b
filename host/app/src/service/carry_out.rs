//! Does what a plan says, step by step and aloud, whole or not at all: when a step fails, what was there before is
//! there again.

use std::fs;
use std::io;
use std::path::Path;

use super::plan::{Plan, Step};
use crate::failed::{self, Failed};

/// What runs a command: its words, and whether it went well or what it said.
pub(crate) type Run<'a> = &'a mut dyn FnMut(&[String]) -> Result<(), String>;
/// Where each step is told.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&str);

/// Writes the definition and has it run. Done again, it changes nothing but what is different.
pub(crate) fn install(plan: &Plan, run: Run<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    let file = &plan.file;
    let before = before(file)?;
    if before.as_ref() == Some(&plan.text) {
        tell(&format!("{} is as it should be", file.display()));
    } else {
        write(file, &plan.text).map_err(|error| unwritable(error, file))?;
        tell(&format!("wrote {}", file.display()));
    }
    for step in &plan.start {
        tell(&step.shown());
        if let Err(why) = run(&step.words) {
            if step.may_fail {
                continue;
            }
            back(plan, before.as_deref(), run, tell);
            return Err(failed_step(step, &why, "the service cannot be installed; all is as it was before"));
        }
    }
    plan.hints.iter().for_each(|hint| tell(hint));
    Ok(())
}

/// Ends it and takes the definition away. Says whether there was one.
pub(crate) fn uninstall(plan: &Plan, run: Run<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    let file = &plan.file;
    if before(file)?.is_none() {
        tell(&format!("{} is not installed: there is no {}", plan.name, file.display()));
        return Ok(());
    }
    for step in &plan.stop {
        tell(&step.shown());
        match run(&step.words) {
            Err(why) if !step.may_fail => {
                return Err(failed_step(
                    step,
                    &why,
                    "the service cannot be ended, so that it stays installed",
                ));
            }
            _ => {}
        }
    }
    fs::remove_file(file).map_err(|error| unwritable(error, file))?;
    tell(&format!("removed {}", file.display()));
    for step in &plan.forget {
        tell(&step.shown());
        // The file is gone; a manager that was not told finds that out by itself.
        let _ = run(&step.words);
    }
    Ok(())
}

/// Makes it as it was before a step failed.
fn back(plan: &Plan, before: Option<&[u8]>, run: Run<'_>, tell: Tell<'_>) {
    let file = plan.file.display();
    // What cannot be undone either has nobody to tell but the one error that is told anyway.
    let (undone, then) = match before {
        Some(text) => (write(&plan.file, text), &plan.start),
        None => {
            for step in &plan.stop {
                let _ = run(&step.words);
            }
            (fs::remove_file(&plan.file), &plan.forget)
        }
    };
    match undone {
        Ok(()) => tell(&format!("put back {file}")),
        Err(error) => tell(&format!("{file} could not be put back: {}", failed::plain(&error.to_string()))),
    }
    for step in then {
        let _ = run(&step.words);
    }
}

/// What the file holds. `None` when there is none.
fn before(file: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(unwritable(error, file)),
    }
}

/// Whole or not at all: whoever reads meanwhile reads the one or the other.
fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let new = folder.join(name);
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&new);
    }
    written
}

fn unwritable(error: io::Error, file: &Path) -> anyhow::Error {
    let what = format!("{} cannot be written", file.display());
    Failed::because(
        error,
        what,
        "ask as somebody who may write there (sudo), or with --user for yourself alone",
    )
}

fn failed_step(step: &Step, why: &str, what: &str) -> anyhow::Error {
    let next = if why.contains("bus") {
        "log in as that user, not by su or sudo, or install it with --system as root"
    } else {
        "try that command by itself; `herdwick service print` shows what it was to run"
    };
    Failed::because(anyhow::anyhow!("`{}`: {why}", step.shown()), what, next)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::plan::Account;
    use super::super::{Kind, Manager, Scope, Service};
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("herdwick-service-{name}-{}", std::process::id()));
            // It may be there from a run that was killed.
            let _ = fs::remove_dir_all(&folder);
            Self(folder)
        }

        fn plan(&self, flag: &str) -> Plan {
            let service = Service {
                kind: Kind::Router,
                scope: Scope::User,
                program: "/usr/bin/herdwick".into(),
                flags: vec![flag.to_owned()],
                stop: Duration::from_secs(1),
            };
            Plan::new(&service, Manager::Systemd, &Account::of("ada", self.0.to_str().unwrap())).unwrap()
        }

        /// Names of everything that is there.
        fn files(&self) -> Vec<String> {
            let folder = self.0.join(".config/systemd/user");
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Runs nothing; a command with `broken` in it fails.
    fn carried(
        act: impl Fn(&Plan, Run<'_>, Tell<'_>) -> anyhow::Result<()>,
        plan: &Plan,
        broken: &str,
    ) -> (anyhow::Result<()>, Vec<String>, Vec<String>) {
        let (mut ran, mut told) = (Vec::new(), Vec::new());
        let mut run = |words: &[String]| {
            let line = words.join(" ");
            let fails = !broken.is_empty() && line.contains(broken);
            ran.push(line);
            if fails { Err("Unit is masked.".to_owned()) } else { Ok(()) }
        };
        let done = act(plan, &mut run, &mut |line| told.push(line.to_owned()));
        (done, ran, told)
    }

    #[test]
    fn what_is_installed_can_be_installed_again_and_is_gone_when_it_is_taken_away() {
        let scratch = Scratch::new("whole");
        let plan = scratch.plan("--demo");
        let (done, ran, told) = carried(install, &plan, "");
        done.unwrap();
        assert_eq!(fs::read(&plan.file).unwrap(), plan.text);
        assert_eq!(ran.len(), 3);
        assert!(
            told[0].starts_with("wrote ") && told.iter().any(|line| line.contains("enable-linger")),
            "{told:?}"
        );
        let (done, _, told) = carried(install, &plan, "");
        done.unwrap();
        assert!(told[0].ends_with("is as it should be"), "{told:?}");
        let (done, ran, _) = carried(uninstall, &plan, "");
        done.unwrap();
        assert_eq!(
            ran,
            ["systemctl --user disable --now herdwick.service", "systemctl --user daemon-reload"]
        );
        assert!(scratch.files().is_empty(), "{:?}", scratch.files());
        let (done, ran, told) = carried(uninstall, &plan, "");
        done.unwrap();
        assert!(ran.is_empty() && told[0].contains("is not installed"), "{told:?}");
    }

    #[test]
    fn a_step_that_fails_leaves_all_as_it_was() {
        for broken in ["daemon-reload", "enable", "restart"] {
            let scratch = Scratch::new(broken);
            let first = scratch.plan("--demo");
            let (done, ran, told) = carried(install, &first, broken);
            let error = done.unwrap_err();
            let cause = error.source().unwrap().to_string();
            assert!(cause.contains(broken) && cause.contains("masked"), "{cause}");
            assert!(scratch.files().is_empty(), "{:?}", scratch.files());
            assert!(ran.contains(&"systemctl --user disable --now herdwick.service".to_owned()), "{ran:?}");
            assert!(told.last().unwrap().starts_with("put back"), "{told:?}");

            carried(install, &first, "").0.unwrap();
            let second = scratch.plan("--listen=0.0.0.0:1");
            carried(install, &second, broken).0.unwrap_err();
            assert_eq!(fs::read(&first.file).unwrap(), first.text, "the one before stands");
            assert_eq!(scratch.files(), ["herdwick.service"]);
        }
    }

    #[test]
    fn one_that_cannot_be_ended_stays_installed() {
        let scratch = Scratch::new("stays");
        let plan = scratch.plan("--demo");
        carried(install, &plan, "").0.unwrap();
        carried(uninstall, &plan, "disable").0.unwrap_err();
        assert_eq!(scratch.files(), ["herdwick.service"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let scratch = Scratch::new("folder");
        fs::write(&scratch.0, "").unwrap();
        let (done, ran, _) = carried(install, &scratch.plan("--demo"), "");
        assert!(done.unwrap_err().to_string().ends_with("cannot be written") && ran.is_empty());
        fs::remove_file(&scratch.0).unwrap();
    }
}
