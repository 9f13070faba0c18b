//! Writing a plugin with the binary alone: begin one, look at a component, run its cases. Needs no compiler for
//! WebAssembly; `.ci/run` builds the example.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use guests::Signal;

use crate::support::{Finished, finished, finished_with};

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("herdwick-authoring-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder can be made");
        std::fs::write(&path, bytes).expect("a file can be written");
        self.at(name)
    }

    fn guest(&self, guest: &Signal<'_>) -> String {
        self.put("guest.wasm", &guest.component().expect("the guest assembles"))
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path of letters").to_owned()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left-overs in the system's temporary folder hurt nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The file of a built-in component, or of its sources, in the checkout.
fn checkout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn prebuilt(name: &str) -> Vec<u8> {
    std::fs::read(checkout(&format!("plugins/prebuilt/{name}.wasm"))).expect("it is committed")
}

fn plugins(args: &[&str]) -> Finished {
    finished(&[&["plugins"], args].concat())
}

fn told(args: &[&str], told: &[&str]) -> String {
    let command = plugins(args);
    assert_eq!((command.code, command.stderr.as_str()), (Some(0), ""), "{args:?}: {}", command.stdout);
    contains(&command.stdout, told);
    command.stdout
}

fn refused(args: &[&str], told: &[&str]) -> Finished {
    let command = plugins(args);
    assert_eq!(command.code, Some(1), "{args:?}: {}", command.stdout);
    assert!(command.stderr.starts_with("error: "), "{}", command.stderr);
    assert!(
        command.stderr.lines().last().is_some_and(|last| last.starts_with("next:  ")),
        "{}",
        command.stderr
    );
    contains(&command.stderr, told);
    command
}

fn contains(text: &str, told: &[&str]) {
    for told in told {
        assert!(text.contains(told), "{told:?} is not in {text}");
    }
}

#[test]
fn a_new_plugin_of_each_kind_is_a_whole_crate() {
    let folder = Folder::new();
    let sdk = checkout("sdk/rust");
    let sdk = sdk.to_str().expect("a path of letters");
    for kind in ["signal", "fallback", "health"] {
        let name = format!("my-{kind}");
        let place = folder.at(&name);
        told(
            &["new", kind, &name, "--dir", &folder.at("")],
            &["from its repository", "cargo test", "plugins build", &format!("plugins test {place}")],
        );
        let manifest = folder.text(&format!("{name}/Cargo.toml"));
        contains(&manifest, &[&format!("name = \"{name}\""), "\n[workspace]\n", "git = "]);
        contains(&folder.text(&format!("{name}/plugin.toml")), &[&format!("id = \"{name}\""), kind]);
        for file in ["src/lib.rs", "tests/cases.rs", "README.md", "cases/tie.toml"] {
            assert!(!folder.text(&format!("{name}/{file}")).contains("{{"), "{name}/{file}");
        }
    }
    told(&["new", "signal", "local", "--dir", &folder.at(""), "--sdk", sdk], &["(Cargo.toml: path)"]);
    contains(&folder.text("local/Cargo.toml"), &["herdwick-sdk = { path = ", "sdk/rust"]);
}

#[test]
fn what_cannot_be_begun_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    let dir = folder.at("");
    refused(&["new", "signal", "My_Idea", "--dir", &dir], &["\"My_Idea\" is no name", "lower-case letters"]);
    refused(&["new", "signal", "../up", "--dir", &dir], &["is no name"]);
    refused(&["new", "signal", "a", "--dir", &dir, "--lang", "go"], &["\"go\"", "wit/plugin.wit"]);
    refused(&["new", "signal", "a", "--dir", &dir, "--sdk", &dir], &["is not the SDK", "sdk/rust"]);
    assert!(!folder.0.join("a").exists());
    folder.put("mine/notes", b"");
    refused(&["new", "signal", "mine", "--dir", &dir], &["is there already"]);
    assert!(!folder.0.join("mine/Cargo.toml").exists());
}

#[test]
fn a_good_component_would_go_live() {
    let folder = Folder::new();
    let file = folder.put("queue-depth.wasm", &prebuilt("queue-depth"));
    told(
        &["check", &file],
        &["queue-depth 0.1.0 (signal)", "queue.waiting-ms", "built-in plugin of its name", "would go live"],
    );
    let json: serde_json::Value =
        serde_json::from_str(&told(&["check", &file, "--json"], &[])).expect("JSON");
    assert_eq!((json["name"].as_str(), json["goes_live"].as_bool()), (Some("queue-depth"), Some(true)));
    assert_eq!(json["sha256"].as_str().map(str::len), Some(64));
    assert_eq!((json["asks_veto"].as_bool(), json["limit_ms"].as_u64()), (Some(false), Some(5)));

    let vetoing = folder.put("memory-fit.wasm", &prebuilt("memory-fit"));
    told(&["check", &vetoing], &["asks for the right", "would go live"]);
}

#[test]
fn what_would_not_go_live_is_told_in_three_lines() {
    let folder = Folder::new();
    let garbage = folder.put("garbage.wasm", b"#!/bin/sh");
    let traps = Signal { name: "traps", cost: Some("unreachable"), ..Signal::default() };
    for (file, why) in [
        (garbage, "is no WebAssembly"),
        (folder.at("none.wasm"), "cannot be read"),
        (folder.guest(&traps), "fails the trial"),
    ] {
        let command = refused(&["check", &file], &[&format!("{file} would not go live"), "cause: ", why]);
        assert_eq!((command.stdout.as_str(), command.stderr.lines().count()), ("", 3), "{}", command.stderr);
    }
}

#[test]
fn cases_of_every_kind_run_against_the_component() {
    let folder = Folder::new();
    for (kind, name, timed) in [
        ("signals", "model-residency", "µs a call with 8 candidates"),
        ("fallbacks", "next-best-node", "µs a call with 8 candidates"),
        ("health", "nodes", "µs a call with 8 nodes"),
    ] {
        let file = folder.put(&format!("{name}.wasm"), &prebuilt(name));
        let cases = checkout(&format!("plugins/{kind}/{name}/cases"));
        let text = told(
            &["test", &file, "--cases", cases.to_str().expect("a path of letters")],
            &["hostile input", timed],
        );
        let count = std::fs::read_dir(cases).expect("its cases").count();
        assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), count + 1, "{text}");
    }
}

#[test]
fn a_wrong_answer_is_shown_beside_the_right_ones() {
    let folder = Folder::new();
    let file = folder.put("model-residency.wasm", &prebuilt("model-residency"));
    folder.put(
        "cases/wrong.toml",
        b"what = 'resident is free'\n[[rows]]\nname = 'studio'\nreadings = { 'model.state-level' = 4 }\ncost = 0\n\
          [[rows]]\nname = 'mini'\nreadings = { 'model.state-level' = 1, 'model.load-ms' = 4000 }\ncost = 4001\n",
    );
    folder.put(
        "cases/unknown.toml",
        b"what = 'w'\n[[rows]]\nname = 'a'\nreadings = { 'queue.waiting-ms' = 1 }\ncost = 0\n",
    );
    folder.put("cases/setting.toml", b"what = 'w'\n[settings]\nsecond_copy_facto = 1\n");
    let command = refused(&["test", &file], &["3 of 4 checks of model-residency failed"]);
    contains(
        &command.stdout,
        &[
            "FAIL  wrong",
            "  studio: expected 0 ms, found 0 ms (resident)",
            "! mini: expected 4001 ms, found 4000 ms",
            "\"queue.waiting-ms\" is not among the columns",
            "did you mean \"second_copy_factor\"?",
        ],
    );

    // So are a fallback rule's step and a health plugin's findings.
    let rule = folder.put("rule/next-best-node.wasm", &prebuilt("next-best-node"));
    folder.put(
        "rule/cases/wrong.toml",
        b"what = 'nobody is left'\nstep = { wait_ms = 1 }\n[[tried]]\nname = 'a'\nwhy = 'connect'\n",
    );
    let command = refused(&["test", &rule], &["1 of 2 checks of next-best-node failed"]);
    contains(&command.stdout, &["! expected a wait of 1 ms, found pass"]);
    let nodes = folder.put("nodes/nodes.wasm", &prebuilt("nodes"));
    folder.put(
        "nodes/cases/wrong.toml",
        b"what = 'w'\n[[findings]]\ncheck = 'node-unreachable'\nseverity = 'info'\nsubject = 'node:a'\n",
    );
    let command = refused(&["test", &nodes], &["1 of 2 checks of nodes failed"]);
    contains(&command.stdout, &["! not found: node-unreachable of node:a"]);

    // The same file turned round fails the cases that the original passes.
    let inverted = folder.guest(&guests::inverted_residency());
    told(&["check", &inverted], &["built-in plugin of its name", "would go live"]);
    let cases = checkout("plugins/signals/model-residency/cases");
    let cases = cases.to_str().expect("a path of letters");
    refused(&["test", &inverted, "--cases", cases], &["model-residency failed"]);
}

#[test]
fn a_build_without_a_compiler_says_how_to_get_one() {
    let folder = Folder::new();
    told(&["new", "signal", "idea", "--dir", &folder.at("")], &[]);
    refused(&["test", &folder.at("idea")], &["idea.wasm", "herdwick plugins build"]);
    refused(&["build", &folder.at("")], &["Cargo.toml cannot be read", "plugins new signal"]);
    // Whatever compilers this machine has, the author wants another one.
    let compiler = [("RUSTC", "no-such-compiler"), ("PATH", "")];
    let command = finished_with(&["plugins", "build", &folder.at("idea")], &compiler);
    assert_eq!((command.code, command.stderr.lines().count()), (Some(1), 3), "{}", command.stderr);
    contains(
        &command.stderr,
        &["idea cannot be built", "rustup target add wasm32-unknown-unknown", "apt-get install"],
    );
}
