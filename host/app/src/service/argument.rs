//! What a definition can carry as an argument, checked before it is written: flags that this program understands,
//! paths that mean the same wherever a service starts, nothing that no text can hold.

use std::path::{Path, PathBuf};

use super::{Manager, Scope};
use crate::failed::Failed;

/// Flags whose value is a path.
const PATHS: [&str; 5] = ["--cache-dir", "--config", "--config-dir", "--plugin", "--state-dir"];
/// Of them those that a system's service has its own folders for.
const OWN: [&str; 2] = ["--cache-dir", "--state-dir"];

/// The flags with their paths made absolute: a service starts in a folder of its own.
pub(super) fn settled(flags: &[String], here: &Path) -> Vec<String> {
    let mut settled = Vec::with_capacity(flags.len());
    let mut is_path = false;
    for flag in flags {
        let joined = PATHS.iter().find_map(|name| {
            let path = flag.strip_prefix(name)?.strip_prefix('=')?;
            Some(format!("{name}={}", here.join(path).display()))
        });
        settled.push(match joined {
            Some(joined) => joined,
            None if is_path => here.join(flag).display().to_string(),
            None => flag.clone(),
        });
        is_path = !is_path && PATHS.contains(&flag.as_str());
    }
    settled
}

/// Refuses what cannot work, before anything is written. The first word is the program.
pub(super) fn check(words: &[String], scope: Scope, manager: Manager) -> anyhow::Result<()> {
    if let Some(word) = words.iter().find(|word| word.chars().any(char::is_control)) {
        return Err(Failed::plainly(
            format!("{word:?} cannot be written into a service's definition"),
            "leave out line breaks and other control characters",
        ));
    }
    if manager != Manager::Systemd {
        return Ok(());
    }
    // `string_is_safe` of its sources, which it asks of every program.
    if let Some(program) = words.first().filter(|program| program.contains(['"', '\'', '\\'])) {
        return Err(Failed::plainly(
            format!("systemd would not run {program}, since its path has quotes or backslashes"),
            "move the program, for example to /usr/local/bin/herdwick, and ask that one",
        ));
    }
    let own = |word: &&String| {
        OWN.iter().any(|name| word.as_str() == *name || word.starts_with(&format!("{name}=")))
    };
    match words.iter().find(own) {
        Some(word) if scope == Scope::System => Err(Failed::plainly(
            format!("{word} cannot be used for a service of the system"),
            "leave it out: systemd keeps a folder for it in /var/lib and /var/cache; or install it with --user",
        )),
        _ => Ok(()),
    }
}

/// The binary that runs now, if others will find it too.
pub(super) fn program(found: std::io::Result<PathBuf>) -> anyhow::Result<PathBuf> {
    let next = "start the binary that is to run, by its whole path";
    let program =
        found.map_err(|error| Failed::because(error, "this program does not know its own file", next))?;
    // The kernel says so of a file that was replaced while it ran.
    if !program.is_file() {
        return Err(Failed::plainly(format!("{} is not there any more", program.display()), next));
    }
    if program.to_str().is_none() {
        let what = format!("{} cannot be written into a service's definition", program.display());
        return Err(Failed::plainly(what, "move it to a path of UTF-8 text"));
    }
    Ok(program)
}

/// Why users who are not root could not run it: the folder or file that keeps them out.
#[cfg(unix)]
pub(super) fn kept_from_others(program: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    /// Others may run the file, or pass through the folder.
    const OTHERS_ENTER: u32 = 0o001;
    let is_closed =
        |path: &&Path| path.metadata().is_ok_and(|found| found.permissions().mode() & OTHERS_ENTER == 0);
    program.ancestors().find(is_closed).map(Path::to_owned)
}

#[cfg(not(unix))]
pub(super) fn kept_from_others(_: &Path) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn paths_mean_the_same_wherever_it_starts() {
        let flags =
            words(&["--config", "h.toml", "--plugin=a.wasm", "--listen", "0.0.0.0:1", "--state-dir", "/s"]);
        assert_eq!(
            settled(&flags, Path::new("/here")),
            [
                "--config",
                "/here/h.toml",
                "--plugin=/here/a.wasm",
                "--listen",
                "0.0.0.0:1",
                "--state-dir",
                "/s"
            ]
        );
    }

    #[test]
    fn what_no_definition_can_carry_is_refused() {
        for (text, scope, manager, is_refused) in [
            (&["a\nb"][..], Scope::User, Manager::Launchd, true),
            (&["--state-dir", "/s"], Scope::System, Manager::Systemd, true),
            (&["--cache-dir=/s"], Scope::System, Manager::Systemd, true),
            (&["--cache-dir=/s"], Scope::User, Manager::Systemd, false),
            (&["--state-dir", "/s"], Scope::System, Manager::Launchd, false),
            (&["/a b/herd\"wick"], Scope::User, Manager::Systemd, true),
            (&["/a b/herd\"wick"], Scope::User, Manager::Launchd, false),
            (&["/a b/100%/$x/herdwick", "\"quoted\" \\"], Scope::User, Manager::Systemd, false),
            (&super::super::HARD, Scope::System, Manager::Systemd, false),
        ] {
            assert_eq!(check(&words(text), scope, manager).is_err(), is_refused, "{text:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_program_in_a_closed_folder_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("herdwick-service-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("herdwick");
        std::fs::write(&program, "").unwrap();
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open(&program, 0o755);
        open(&folder, 0o755);
        assert_eq!(kept_from_others(&program), None);
        open(&folder, 0o700);
        assert_eq!(kept_from_others(&program), Some(folder.clone()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
