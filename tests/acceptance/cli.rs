//! The command line: what cannot work is said before anything starts, with cause and next step.

use std::net::TcpListener;

use crate::support::{Node, Router, finished};

fn refused(args: &[&str], told: &[&str]) {
    let command = finished(args);
    assert_eq!(command.code, Some(1), "{args:?}: {}", command.stderr);
    assert_eq!(command.stdout, "", "{args:?}");
    assert!(command.stderr.starts_with("error: "), "{}", command.stderr);
    assert!(command.stderr.lines().any(|line| line.starts_with("next: ")), "{}", command.stderr);
    for told in told {
        assert!(command.stderr.contains(told), "{told:?} is not in {}", command.stderr);
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    refused(&["--listen", &address], &[&format!("cannot listen on {address}"), "in use", "--listen"]);
}

#[test]
fn who_has_the_port_is_told_when_they_say_so() {
    let node = Node::start("studio", &["--model", "m:1b"]);
    let router = Router::start(&[node.spec(1)], &[]);
    let address = router.address.to_string();
    refused(
        &["--listen", &address],
        &[&format!("cannot listen on {address}"), "cause: another herdwick runs there", "`herdwick status`"],
    );
    let address = node.address.to_string();
    refused(&["--listen", &address], &["cause: an Ollama listens there", "next:  leave it where it is"]);
}

#[test]
fn all_bad_arguments_are_told_at_once() {
    refused(
        &["serve", "--listen", "here", "--node", "https://studio", "--node", "studio,slots=none"],
        &[
            "--listen \"here\" is no address",
            "only http",
            "slots=none is not a number",
            "http://10.0.0.5:11434",
        ],
    );
}

#[test]
fn a_bad_plugin_stops_the_start_and_is_named() {
    refused(
        &["--listen", "127.0.0.1:0", "--plugin", "no/such.wasm"],
        &["no/such.wasm", "cannot be read", "mend or leave out"],
    );
    let file = std::env::temp_dir().join(format!("not-wasm-{}.wasm", std::process::id()));
    std::fs::write(&file, "#!/bin/sh").expect("a file can be written");
    let path = file.to_str().expect("a path of letters").to_owned();
    refused(&["--listen", "127.0.0.1:0", "--plugin", &path], &[&path, "is no WebAssembly"]);
    std::fs::remove_file(&file).expect("our own file");
}

#[test]
fn what_is_mistyped_is_told_with_what_was_meant() {
    for (args, what, next) in [
        (&["statu"][..], "there is no command `herdwick statu`", "did you mean `herdwick status`?"),
        (&["plugins", "lst"], "no command `herdwick plugins lst`", "did you mean `herdwick plugins list`?"),
        (&["frobnicate"], "there is no command", "there are serve, node, status, try,"),
        (&["http://10.0.0.5"], "there is no command", "named with --node: herdwick --node http://10.0.0.5"),
        (&["serve", "--liten", "x"], "`herdwick serve` has no option --liten", "did you mean `--listen`?"),
        (&["--watch"], "`herdwick` has no option --watch", "`herdwick status --watch` exists"),
        (&["status", "now"], "`herdwick status` does not take \"now\"", "`herdwick status --help`"),
        (&["config", "reset"], "`herdwick config reset` needs <KEY>", "--help` has an example"),
        (&["--body-limit", "0"], "--body-limit <MIB> does not take \"0\"", "`herdwick --help`"),
        (&["--body-limit"], "--body-limit <MIB> needs a value", "`herdwick --help`"),
        (
            &["completions", "csh"],
            "<SHELL> does not take \"csh\"",
            "it takes bash, elvish, fish, powershell, zsh",
        ),
        (&["--demo", "--node", "studio"], "--demo cannot be used with --node", "leave one of them out"),
    ] {
        let told = finished(args);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{args:?}");
        let lines: Vec<&str> = told.stderr.lines().collect();
        let (first, last) =
            (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
        assert!(first.starts_with("error: ") && first.contains(what), "{args:?}: {first}");
        assert!(last.starts_with("next:  ") && last.contains(next), "{args:?}: {last}");
        assert!(lines.len() <= 3, "{args:?}: {lines:?}");
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands_and_only_those_for_people() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = finished(&["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["status", "watch", "rollback"] {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
        assert!(!script.stdout.contains("compile-plugin"), "{shell}");
    }
}

#[test]
fn version_and_help_are_there() {
    assert!(finished(&["--version"]).stdout.starts_with("herdwick 0."));
    let help = finished(&["--help"]).stdout;
    assert!(help.contains("--node") && help.contains("--demo"), "{help}");
    let plugins = finished(&["plugins"]);
    assert_eq!(plugins.code, Some(2), "a group of commands alone shows them");
    assert!(plugins.stderr.contains("rollback"), "{}", plugins.stderr);
}
