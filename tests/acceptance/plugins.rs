//! Plugins as an operator handles them: files come, change and go while requests flow; settings act at once;
//! whoever misbehaves costs nobody an answer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guests::Signal;

use crate::support::{Node, Router, finished, post, until};

const MODEL: &[&str] = &["--slots", "8", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=2"];
const ASK: &str = r#"{"model":"m:1b","prompt":"hi","stream":false}"#;

/// A configuration folder of its own, with a plugin folder in it.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plugins-{name}-{}", std::process::id()));
        // Whatever an earlier run left.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("plugins")).expect("a folder can be made");
        Self(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let draft = self.0.join(".draft");
        std::fs::write(&draft, bytes).expect("a file can be written");
        std::fs::rename(&draft, self.0.join(name)).expect("and renamed");
    }

    fn option(&self) -> [&str; 2] {
        ["--config-dir", self.0.to_str().expect("a path of letters")]
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn guest(one: &str) -> Vec<u8> {
    Signal { name: "visitor", one, ..Signal::default() }.component().expect("the guest assembles")
}

/// Costs a second per row: the first node that joined is the best.
fn first() -> Vec<u8> {
    guest("(f64.mul (f64.load (local.get $row)) (f64.const 1000))")
}

/// The other way round.
fn last() -> Vec<u8> {
    guest("(f64.mul (f64.load (local.get $row)) (f64.const -1000))")
}

fn fleet(home: &Home) -> (Node, Node, Router) {
    let (one, two) = (Node::start("one", MODEL), Node::start("two", MODEL));
    let router = Router::start(&[one.spec(8), two.spec(8)], &home.option()).knows("m:1b");
    (one, two, router)
}

fn goes_to(router: &Router, node: &str) {
    until(&format!("requests go to {node}"), || {
        // A lot among equals would end up there by chance.
        (0..8)
            .all(|_| post(router.address, "/api/generate", ASK).header("x-herdwick-node") == node)
            .then_some(())
    });
}

fn comes_to(router: &Router, plugin: &str, wanted: &str) {
    let mut shown = serde_json::Value::Null;
    // What it was instead is what whoever reads of a failure wants to know.
    let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the plugin's state is shown", || {
            shown = list(router);
            (state(&shown, plugin) == wanted).then_some(())
        });
    }));
    assert!(came.is_ok(), "{plugin} does not become {wanted}: {shown:#}");
}

fn list(router: &Router) -> serde_json::Value {
    let address = router.address.to_string();
    let command = finished(&["plugins", "list", "--json", "--router", &address]);
    assert_eq!(command.code, Some(0), "{}", command.stderr);
    serde_json::from_str(&command.stdout).expect("--json prints JSON")
}

fn state(list: &serde_json::Value, name: &str) -> String {
    let plugins = list["plugins"].as_array().expect("a list");
    let found = plugins.iter().find(|plugin| plugin["name"] == name);
    found.map_or(String::new(), |plugin| plugin["state"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_plugin_comes_changes_breaks_and_goes_while_requests_flow() {
    let home = Home::new("flow");
    let (_one, _two, router) = fleet(&home);
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let reply = post(router.address, "/api/generate", ASK);
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Whatever fails in here, the clients must end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            home.put("plugins/visitor.wasm", &first());
            goes_to(&router, "one");
            let whole = last();
            for round in 0..6 {
                home.put("plugins/visitor.wasm", &if round % 2 == 0 { last() } else { first() });
                goes_to(&router, if round % 2 == 0 { "two" } else { "one" });
                // A broken file changes nothing but what is shown.
                home.put("plugins/visitor.wasm", whole.get(..whole.len() / 2).expect("half of it"));
                comes_to(&router, "visitor", "broken");
                goes_to(&router, if round % 2 == 0 { "two" } else { "one" });
            }
            std::fs::remove_file(home.0.join("plugins/visitor.wasm")).expect("our own file");
            until("it is gone", || state(&list(&router), "visitor").is_empty().then_some(()));
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(asked.load(Ordering::Relaxed) > 100, "there was traffic");
}

#[test]
fn edits_of_the_configuration_act_at_once_and_mistakes_change_nothing() {
    let home = Home::new("edits");
    home.put("plugins/visitor.wasm", &first());
    let (_one, _two, router) = fleet(&home);
    goes_to(&router, "one");
    home.put("herdwick.toml", b"[plugins.visitor]\nenabled = false\n");
    until("it is off", || (state(&list(&router), "visitor") == "disabled").then_some(()));
    home.put("herdwick.toml", b"[plugins.visitor]\nenabled = true\nwieght = 0.0\n");
    let problem = until("the mistake is told", || {
        let problems = list(&router)["problems"].to_string();
        problems.contains("wieght").then_some(problems)
    });
    assert!(problem.contains("herdwick.toml:3:1") && problem.contains("weight"), "{problem}");
    assert_eq!(state(&list(&router), "visitor"), "disabled", "the configuration before goes on");
    home.put("herdwick.toml", b"[plugins.visitor]\nenabled = true\n");
    goes_to(&router, "one");
}

#[test]
fn plugins_are_switched_and_taken_back_by_command() {
    let home = Home::new("switch");
    home.put("plugins/visitor.wasm", &first());
    let (_one, _two, router) = fleet(&home);
    let address = router.address.to_string();
    let [flag, folder] = home.option();
    let run = |args: &[&str]| {
        let all: Vec<&str> = ["plugins"].iter().chain(args).copied().chain(["--router", &address]).collect();
        finished(&all)
    };
    assert_eq!(run(&["disable", "visitor", flag, folder]).code, Some(0));
    assert_eq!(state(&list(&router), "visitor"), "disabled");
    let written = std::fs::read_to_string(home.0.join("overrides.toml")).expect("it is written down");
    assert!(written.contains("enabled = false"), "{written}");
    assert_eq!(run(&["enable", "visitor", flag, folder]).code, Some(0));
    assert_eq!(state(&list(&router), "visitor"), "live");
    let unknown = run(&["disable", "vistor", flag, folder]);
    assert!(
        unknown.code == Some(1) && unknown.stderr.contains("the nearest is \"visitor\""),
        "{}",
        unknown.stderr
    );

    home.put("plugins/visitor.wasm", &last());
    goes_to(&router, "two");
    let back = run(&["rollback", "visitor"]);
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    assert_eq!(state(&list(&router), "visitor"), "rolled back");
    goes_to(&router, "one");
    let again = run(&["rollback", "visitor"]);
    assert!(again.stderr.contains("no earlier version"), "{}", again.stderr);
}

#[test]
fn a_shadow_is_asked_counts_for_nothing_and_says_what_it_would_have_changed() {
    let home = Home::new("shadow");
    home.put("plugins/visitor.wasm", &first());
    let other = Signal {
        name: "contrary",
        one: "(f64.mul (f64.load (local.get $row)) (f64.const -9000))",
        ..Signal::default()
    };
    home.put("plugins/contrary.wasm", &other.component().expect("the guest assembles"));
    home.put("herdwick.toml", b"[plugins.contrary]\nmode = \"shadow\"\n");
    let (_one, _two, router) = fleet(&home);
    for _ in 0..10 {
        let reply = post(router.address, "/api/generate", ASK);
        assert_eq!(reply.header("x-herdwick-node"), "one");
    }
    let list = list(&router);
    let plugins = list["plugins"].as_array().expect("a list");
    let shadow = plugins.iter().find(|plugin| plugin["name"] == "contrary").expect("it is known");
    assert_eq!(shadow["shadow"], serde_json::json!({"asked": 10, "changed": 10}), "{shadow}");
}

#[test]
fn hostile_guests_cost_nobody_an_answer_and_are_put_out() {
    // Well-behaved until a model is resident, which the trial never shows.
    let late = |bad: &str| {
        format!("(if (f64.eq (f64.load offset=8 (local.get $row)) (f64.const 4)) (then {bad})) (f64.const 0)")
    };
    let bad = [
        ("traps", "unreachable"),
        ("spins", "(loop $on (br $on))"),
        (
            "eats",
            "(loop $on (if (i32.lt_s (memory.grow (i32.const 64)) (i32.const 0)) (then unreachable)) (br $on))",
        ),
        ("recurses", "(drop (call $one (local.get $row)))"),
        ("loses", "(return (f64.const -inf))"),
        ("vetoes", "(return (f64.const inf))"),
    ];
    let home = Home::new("hostile");
    for (name, body) in bad {
        let one = late(body);
        let guest = Signal { name, columns: &["model.state-level"], one: &one, ..Signal::default() };
        home.put(&format!("plugins/{name}.wasm"), &guest.component().expect("the guest assembles"));
    }
    let (_one, _two, router) = fleet(&home);
    for _ in 0..60 {
        let reply = post(router.address, "/api/generate", ASK);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    for (name, _) in bad {
        until(&format!("{name} is put out"), || {
            // Faults need requests: a dead instance is only mended between them.
            assert_eq!(post(router.address, "/api/generate", ASK).status, 200);
            (state(&list(&router), name) == "quarantined").then_some(())
        });
    }
    let after = list(&router);
    for plugin in
        after["plugins"].as_array().expect("a list").iter().filter(|plugin| plugin["state"] == "live")
    {
        assert_eq!(plugin["source"], "built in", "{plugin}");
    }
}

#[test]
fn explain_shows_every_signal_for_every_candidate_with_words() {
    let home = Home::new("explain");
    let (_one, two, router) = fleet(&home);
    let reply = post(router.address, "/api/generate", ASK);
    let id = reply.header("x-request-id");
    let address = router.address.to_string();
    for which in [id, "last"] {
        let command = finished(&["explain", which, "--router", &address]);
        assert_eq!(command.code, Some(0), "{}", command.stderr);
        for told in
            [id, "one", "two", "total", "model-residency", "role-affinity", "context-fit", "nothing waiting"]
        {
            assert!(command.stdout.contains(told), "{told:?} is not in\n{}", command.stdout);
        }
    }
    let command = finished(&["explain", "last", "--json", "--router", &address]);
    let decision: serde_json::Value = serde_json::from_str(&command.stdout).expect("--json prints JSON");
    assert_eq!(decision["signals"].as_array().map(Vec::len), Some(7), "{decision}");
    assert_eq!(decision["candidates"].as_array().map(Vec::len), Some(2));

    two.kill();
    until("the dead node is told of", || {
        assert_eq!(post(router.address, "/api/generate", ASK).status, 200);
        let command = finished(&["explain", "last", "--router", &address]);
        command.stdout.contains("could not serve").then_some(())
    });
    let nobody = finished(&["explain", "last", "--router", "127.0.0.1:1"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("say where it is with --router"), "{}", nobody.stderr);
}

#[test]
fn the_health_plugin_names_a_dead_node_and_what_to_do() {
    let home = Home::new("health");
    home.put("herdwick.toml", b"[plugins.nodes]\nsettings = { unreachable_visible_after = \"0s\" }\n");
    let (_one, two, router) = fleet(&home);
    let address = router.address.to_string();
    let health = || finished(&["health", "--router", &address]).stdout;
    assert_eq!(health(), "nothing is wrong\n");
    two.kill();
    let text = until("the dead node is found", || {
        Some(health()).filter(|text| text.contains("two does not answer"))
    });
    assert!(text.starts_with("warning: ") && text.contains("next: "), "{text}");
}

#[test]
fn fallback_rules_are_asked_after_a_failed_attempt() {
    let home = Home::new("fallback");
    let (one, two, router) = fleet(&home);
    one.script(r#"[{"rst":{"after":0}}]"#);
    two.script(r#"[{"rst":{"after":0}}]"#);
    // Both break once, so the request fails after two tries and the rule was asked.
    assert_eq!(post(router.address, "/api/generate", ASK).status, 502);
    let list = list(&router);
    let rule =
        list["plugins"].as_array().expect("a list").iter().find(|plugin| plugin["name"] == "next-best-node");
    let rule = rule.expect("it is built in");
    assert!(rule["calls"].as_u64().is_some_and(|calls| calls >= 1), "{rule}");
    assert_eq!((rule["kind"].as_str(), rule["faults"].as_u64()), (Some("fallback"), Some(0)), "{rule}");
}
