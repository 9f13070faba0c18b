//! Graphics cards as an operator sees them: a machine with the library of a driver, from its agent to `nodes show`. The
//! library is one of our own, laid where the system looks for NVIDIA's.

use std::process::Command;

use crate::support::{Machine, Node, Router, Scratch, finished, nobody, until};

/// The library in the words of C, and what it says: two cards, of which one fell off the bus.
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/src/collect/cards/nvidia/fake.c");
const MODEL: &[&str] = &["--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const GIB: f64 = (1_u64 << 30) as f64;

#[test]
fn a_card_is_shown_as_its_driver_tells_it() {
    let scratch = Scratch::new("cards");
    std::fs::create_dir_all(scratch.path()).expect("a folder");
    let library = scratch.path().join("libnvidia-ml.so.1");
    let mut cc = Command::new("cc");
    let built =
        cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(LIBRARY).output().expect("a C compiler");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let router = Router::start(&[format!("http://{}", nobody())], &[]);
    let node = Node::start("ollama", MODEL);
    let (backend, address) = (format!("ollama=http://{}", node.address), router.address.to_string());
    let options = ["--backend", &backend, "--name", "studio", "--router", &address];
    let _agent = Machine::start_with(&options, &[("LD_LIBRARY_PATH", &scratch.path().to_string_lossy())]);

    let show = |more: &[&str]| {
        let args = [&["nodes", "show", "studio", "--router", address.as_str()], more].concat();
        let told = finished(&args);
        (told.code == Some(0)).then_some(told.stdout)
    };
    let told = until("the card is told", || {
        let told: serde_json::Value = serde_json::from_str(&show(&["--json"])?).ok()?;
        let is_shown = told["facts"]["cards"]["cards"][0]["name"].is_string();
        // What is for plugins may come with another beat than what is for people.
        let mut readings = told["readings"].as_array()?.iter();
        let is_read = readings.any(|reading| reading["name"] == "node.throttled-flag");
        (is_shown && is_read).then_some(told)
    });
    let card = &told["facts"]["cards"]["cards"][0];
    assert_eq!((&card["name"], &card["celsius"]), (&"NVIDIA Fake".into(), &97.0.into()), "{card}");
    assert_eq!(card["slowed_by"], serde_json::json!(["heat"]), "{card}");
    let reading = |name: &str| {
        let readings = told["readings"].as_array().into_iter().flatten();
        let found = readings.into_iter().find(|reading| reading["name"] == name);
        found.and_then(|reading| reading["value"].as_f64()).unwrap_or_else(|| panic!("no {name} in {told}"))
    };
    assert_eq!((reading("mem.total-bytes"), reading("mem.free-bytes")), (24.0 * GIB, 6.0 * GIB));
    assert!(reading("mem.system-total-bytes") > 24.0 * GIB, "with the machine's own memory");
    assert_eq!((reading("node.thermal-level"), reading("node.throttled-flag")), (2.0, 1.0));
    let page = show(&[]).expect("it is known");
    assert!(page.contains("NVIDIA Fake"), "{page}");
}
