//! `herdwick service`: definitions as the systems' own tools read them, and refusals that say what to do. Nothing is
//! installed on the machine that runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{finished, finished_with};

/// A folder of the test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("service-{name}"));
    // It may be there from the time before.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

#[test]
#[cfg(target_os = "linux")]
fn systemd_itself_finds_nothing_wrong_with_a_unit() {
    let folder = scratch("a b 100%h schön");
    // The same binary under a name that is as hard to write down as any.
    let program = folder.join("herd wick $x");
    std::fs::hard_link(env!("CARGO_BIN_EXE_herdwick"), &program).expect("a link can be made");
    let analyze = Command::new("systemd-analyze").arg("--version").output().is_ok();
    for scope in ["--user", "--system"] {
        let flags =
            ["--node", "studio=http://10.0.0.5:11434,slots=4", "--plugin", "two words, 100% $HOME.wasm"];
        let printed = Command::new(&program)
            .args(["service", "print", "router", "--for", "systemd", scope, "--"])
            .args(flags)
            .current_dir(&folder)
            .output()
            .expect("it runs");
        let text = String::from_utf8(printed.stdout).expect("it is text");
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let command = text.lines().find(|line| line.starts_with("ExecStart=")).expect("it runs something");
        for part in ["100%%h schön/herd wick $x\" serve", "slots=4", "/two words, 100%% $$HOME.wasm\""] {
            assert!(command.contains(part), "{part:?} is not in {command}");
        }
        if !analyze {
            continue;
        }
        let unit = folder.join("herdwick.service");
        std::fs::write(&unit, &text).expect("a file can be written");
        let verified = Command::new("systemd-analyze").arg("verify").arg(&unit).output().expect("it runs");
        let said = String::from_utf8_lossy(&verified.stderr);
        // Of other units of this machine it may have something to say.
        let ours: Vec<_> = said.lines().filter(|line| line.contains("herdwick")).collect();
        assert!(ours.is_empty(), "{ours:?}\n{text}");
    }
}

#[test]
fn every_manager_gets_its_own_definition() {
    for (manager, begins, holds) in [
        ("systemd", "# Written by", "WantedBy=default.target"),
        (
            "launchd",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist",
            "<key>ProgramArguments</key>",
        ),
        ("windows", "<?xml version=\"1.0\"?>\n<Task ", "<LogonTrigger>"),
    ] {
        let printed = finished(&["service", "print", "--user", "--for", manager]);
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{manager}");
        assert!(printed.stdout.starts_with(begins) && printed.stdout.contains(holds), "{}", printed.stdout);
        assert!(printed.stdout.contains(env!("CARGO_BIN_EXE_herdwick")), "{}", printed.stdout);
        let node =
            finished(&["service", "print", "node", "--user", "--for", manager, "--", "--router", "studio"]);
        assert_eq!((node.code, node.stderr.as_str()), (Some(0), ""), "{manager}");
        assert!(node.stdout.contains("node") && node.stdout.contains("studio"), "{}", node.stdout);
    }
}

#[test]
fn what_the_service_would_not_understand_is_told_before_it_is_installed() {
    for (args, what, next) in [
        (
            &["service", "print", "--", "--liten", "x"][..],
            "has no option --liten",
            "did you mean `--listen`?",
        ),
        (&["service", "print", "--user", "--system"], "cannot be used with", "leave one of them out"),
        (
            &["service", "print", "--system", "--for", "systemd", "--", "--state-dir", "/s"],
            "--state-dir cannot be used for a service of the system",
            "/var/lib",
        ),
        (&["service", "print", "--", "--plugin", "a\nb"], "cannot be written into", "line breaks"),
    ] {
        let told = finished(args);
        assert_ne!(told.code, Some(0), "{args:?}");
        assert_eq!(told.stdout, "", "{args:?}");
        assert!(told.stderr.contains(what) && told.stderr.contains(next), "{args:?}: {}", told.stderr);
        assert!(told.stderr.lines().count() <= 3, "{}", told.stderr);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn where_systemd_does_not_run_the_other_way_is_told() {
    if Path::new("/run/systemd/system").is_dir() {
        // Here it would really be installed.
        return;
    }
    let home = scratch("home");
    let home = home.to_str().expect("a path of letters");
    for args in [&["service", "install", "--user"][..], &["service", "uninstall", "--user"]] {
        let told = finished_with(args, &[("HOME", home), ("XDG_CONFIG_HOME", "")]);
        assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""));
        for part in ["systemd does not run this machine", "next:  have what starts this machine", "serve`"] {
            assert!(told.stderr.contains(part), "{part:?} is not in {}", told.stderr);
        }
    }
    assert!(std::fs::read_dir(home).expect("it is there").next().is_none(), "nothing was written");
}
