//! The configuration as people meet it: begin with a file, check it, see what holds and why, undo a change.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Finished, Router, finished, finished_with, post};

/// A configuration folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of letters")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a file can be written");
    }

    /// `herdwick config` with this folder.
    fn config(&self, args: &[&str], variables: &[(&str, &str)]) -> Finished {
        let args: Vec<_> = ["config", "--config-dir", self.path()].iter().chain(args).copied().collect();
        finished_with(&args, variables)
    }

    fn good(&self, args: &[&str], variables: &[(&str, &str)]) -> String {
        let command = self.config(args, variables);
        assert_eq!((command.code, command.stderr.as_str()), (Some(0), ""), "{args:?}");
        command.stdout
    }

    fn bad(&self, args: &[&str]) -> String {
        let command = self.config(args, &[]);
        assert_eq!((command.code, command.stdout.as_str()), (Some(1), ""), "{args:?}: {}", command.stderr);
        assert!(command.stderr.lines().any(|line| line.starts_with("next: ")), "{}", command.stderr);
        command.stderr
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it would only be found in the build folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The source that stands behind a value.
fn source<'a>(shown: &'a str, setting: &str) -> &'a str {
    let line = shown.lines().find(|line| line.starts_with(setting));
    let line = line.unwrap_or_else(|| panic!("{setting:?} is not in {shown}"));
    line.split_once('#').map_or("", |(_, source)| source.trim())
}

#[test]
fn init_writes_a_file_that_passes_its_check_and_is_never_overwritten() {
    let folder = Folder::new("init");
    let inner = folder.0.join("new");
    let inner = inner.to_str().expect("a path of letters");
    let began = finished(&["config", "init", "--config-dir", inner]);
    assert_eq!((began.code, began.stdout), (Some(0), format!("wrote {inner}/herdwick.toml\n")));
    let checked = finished(&["config", "check", "--config-dir", inner]);
    let ok = format!("ok: {inner}/herdwick.toml\n");
    assert!(checked.code == Some(0) && checked.stdout.starts_with(&ok), "{}", checked.stdout);
    assert!(checked.stdout.contains("body = \"32 MiB\""), "the effective configuration: {}", checked.stdout);
    let again = finished(&["config", "init", "--config-dir", inner]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("is there already and is left as it is"), "{}", again.stderr);
}

#[test]
fn every_value_says_where_it_comes_from_and_the_stronger_source_wins() {
    let folder = Folder::new("sources");
    folder
        .write("herdwick.toml", "listen = \"127.0.0.1:1\"\n\n[limits]\nbody = \"1 MiB\"\nconnections = 5\n");
    folder.write("overrides.toml", "[limits]\nbody = \"2 MiB\"\n");
    let variables = [("HERDWICK_LISTEN", "127.0.0.1:3"), ("HERDWICK_PLUGINS__QUEUE_DEPTH__WEIGHT", "0.5")];
    let shown = folder.good(&["show", "--sources"], &variables);
    for (setting, from) in [
        ("listen = \"127.0.0.1:3\"", "environment HERDWICK_LISTEN"),
        ("body = \"2 MiB\"", &format!("{}/overrides.toml:2", folder.path())),
        ("connections = 5", &format!("{}/herdwick.toml:5", folder.path())),
        ("wait_max = \"120s\"", "default"),
        ("weight = 0.5", "environment HERDWICK_PLUGINS__QUEUE_DEPTH__WEIGHT"),
    ] {
        assert_eq!(source(&shown, setting), from, "{setting}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&folder.good(&["show", "--json"], &variables)).expect("it is JSON");
    let settings = json["settings"].as_array().expect("a list");
    let listen = settings.iter().find(|row| row["key"] == "listen").expect("it has every key");
    assert_eq!(
        (&listen["value"], &listen["source"]),
        (&"127.0.0.1:3".into(), &"environment HERDWICK_LISTEN".into())
    );
    let plain = folder.good(&["show"], &[]);
    assert!(plain.contains("listen = \"127.0.0.1:1\"\n") && !plain.contains('#'), "{plain}");
}

#[test]
fn an_override_is_reset_and_the_rest_stays() {
    let folder = Folder::new("reset");
    let rest = "# of the dashboard\n[limits]\nconnections = 5\n";
    folder.write("overrides.toml", &format!("{rest}body = \"2 MiB\"\n"));
    let told = folder.good(&["reset", "limits.body"], &[]);
    assert_eq!(told, format!("removed limits.body from {}/overrides.toml\n", folder.path()));
    assert_eq!(fs::read_to_string(folder.0.join("overrides.toml")).expect("it is there"), rest);
    let told = folder.bad(&["reset", "limits.body"]);
    assert!(told.contains("limits.body is not overridden in"), "{told}");
    assert!(told.contains("next:  overridden are: limits.connections"), "{told}");
}

#[test]
fn mistyped_keys_stop_every_command_with_file_line_and_nearest_key() {
    let folder = Folder::new("mistyped");
    folder.write("herdwick.toml", "lissten = \"127.0.0.1:1\"\n[limits]\n  bodi = \"1 MiB\"\n");
    let file = format!("{}/herdwick.toml", folder.path());
    let told = [
        format!("{file}:1:1: unknown key \"lissten\"; did you mean \"listen\"?"),
        format!("{file}:3:3: unknown key \"limits.bodi\"; did you mean \"limits.body\"?"),
    ];
    let served = finished(&["serve", "--config-dir", folder.path()]);
    assert_eq!(served.code, Some(1));
    for stderr in [folder.bad(&["check"]), folder.bad(&["show"]), served.stderr] {
        assert!(stderr.starts_with(&format!("error: {}\n       {}\nnext: ", told[0], told[1])), "{stderr}");
    }
}

#[test]
fn what_is_named_must_be_there_and_what_is_not_named_need_not() {
    let folder = Folder::new("named");
    assert!(folder.good(&["check"], &[]).starts_with("ok: there is no file, so defaults hold\n"));
    let told = folder.bad(&["check", "no/such.toml"]);
    assert!(told.starts_with("error: no/such.toml: there is no such file\n"), "{told}");
    let told = finished(&["--config-dir", "no/such"]);
    assert!(
        told.stderr.starts_with("error: no/such: there is no such folder; --config-dir"),
        "{}",
        told.stderr
    );
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let folder = Folder::new("variable");
    let told = folder.good(&["check"], &[("HERDWICK_LISSTEN", "x")]);
    let warning = "warning: the variable HERDWICK_LISSTEN means nothing here and is ignored; did you mean \
                   HERDWICK_LISTEN?\n";
    assert!(told.contains(warning), "{told}");
}

#[test]
fn the_router_serves_what_the_file_says_unless_a_flag_says_otherwise() {
    let folder = Folder::new("serve");
    folder.write(
        "herdwick.toml",
        "listen = \"127.0.0.1:1\"\n[limits]\nbody = \"1 KiB\"\n\
         [[nodes]]\nurl = \"http://127.0.0.1:9\"\nname = \"far\"\n",
    );
    let ask = format!(r#"{{"model":"m:1b","prompt":"{}"}}"#, "x".repeat(2 << 10));
    // The test's router always says where to listen: a flag, which wins.
    let router = Router::start(&[], &["--config-dir", folder.path()]);
    let reply = post(router.address, "/api/generate", &ask);
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (413, "body_too_large"));
    let reply = post(router.address, "/api/generate", r#"{"model":"m:1b","prompt":"hi"}"#);
    assert!(reply.error().contains("far (http://127.0.0.1:9)"), "{}", reply.error());
    let router = Router::start(&[], &["--config-dir", folder.path(), "--body-limit", "1"]);
    assert_eq!(post(router.address, "/api/generate", &ask).status, 503, "it fits");
}

#[test]
fn every_example_passes_its_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/configs");
    let entries = fs::read_dir(&folder).expect("there are examples");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["minimal.toml", "office.toml", "two-machines.toml"],
        "name new ones here and in the README"
    );
    let readme = fs::read_to_string(folder.join("../README.md")).expect("examples have a README");
    for name in names {
        assert!(readme.contains(&name), "{name} is not in examples/README.md");
        let file = folder.join(&name);
        let checked = finished(&["config", "check", file.to_str().expect("a path of letters")]);
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        assert!(!checked.stdout.contains("warning"), "{}", checked.stdout);
    }
}
