//! A router is killed at any moment while commands change what it is to remember: what a command was told is done is
//! there after the next start, what it was not told is there whole or not at all, and the file is sound.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{PATIENCE, Router, Scratch, get, nobody};

/// Routers that are killed; `TEST_SEEDS` makes it more or fewer.
const KILLS: u64 = 50;
/// A router is killed up to this long after its commands begin.
const SPAN_US: u64 = 40_000;
/// Machines that commands are about.
const MACHINES: u64 = 4;

/// What is remembered of machines that commands added: their labels and whether they are drained, by name.
type Known = BTreeMap<String, (String, bool)>;

#[test]
fn a_router_that_is_killed_remembers_what_it_said_is_done() {
    let scratch = Scratch::new("remembering");
    let kills = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(KILLS);
    let silent = format!("other=http://{}", nobody());
    let start = || Router::start(std::slice::from_ref(&silent), &["--state-dir", scratch.text()]);
    let (mut router, mut known) = (start(), Known::new());
    let (mut done, mut untold) = (0, 0);
    for seed in 1..=kills {
        let address = router.address;
        let commands = std::thread::spawn(move || change(address, seed, known));
        // A multiplication by a large odd number spreads the seeds over the whole range.
        let spread = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        // sleeps because the instant of the kill is what the seed chooses
        std::thread::park_timeout(Duration::from_micros(spread % SPAN_US));
        drop(router);
        let (said, begun, count) = commands.join().expect("it ends with the router");
        router = start();
        // The command that was under way may have been carried out or not.
        known = remembered(router.address);
        assert!(known == said || known == begun, "seed {seed}: {known:?} is neither {said:?} nor {begun:?}");
        untold += u32::from(known == begun && said != begun);
        done += count;
    }
    assert!(!scratch.names().iter().any(|name| name.contains("broken")), "{:?}", scratch.names());
    println!("{kills} kills, {done} commands done, {untold} done and not told");
    assert!(done > kills, "commands ran");
}

/// Gives commands until the router is gone. Returns what is so as far as it said, what is so if it also did what it was
/// told last, and how many commands it said are done.
fn change(router: SocketAddr, seed: u64, mut known: Known) -> (Known, Known, u64) {
    for step in 0.. {
        let name = format!("n{}", (seed + step) % MACHINES);
        let label = format!("{seed}.{step}");
        let mut next = known.clone();
        let (method, what, body) = match known.get(&name) {
            None => {
                next.insert(name.clone(), (label.clone(), false));
                let port = 20_000 + (seed + step) % MACHINES;
                let url = format!("http://127.0.0.1:{port}");
                (
                    "POST",
                    String::new(),
                    format!(r#"{{"url":"{url}","name":"{name}","labels":{{"by":"{label}"}}}}"#),
                )
            }
            Some((_, true)) if step % 3 == 0 => {
                next.remove(&name);
                ("DELETE", format!("/{name}"), String::new())
            }
            Some((by, drained)) => {
                next.insert(name.clone(), (by.clone(), !drained));
                ("POST", format!("/{name}/{}", if *drained { "undrain" } else { "drain" }), String::new())
            }
        };
        match command(router, method, &format!("/admin/v1/nodes{what}"), &body) {
            Some(200) => known = next,
            Some(status) => panic!("seed {seed}, {method} {what} {body}: {status}"),
            None => return (known, next, step),
        }
    }
    unreachable!("the router is killed before")
}

/// The status of an answer that is whole; `None` from a router that is killed meanwhile.
fn command(router: SocketAddr, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(router).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    stream.read_line(&mut head).ok()?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

/// What the router knows of machines that commands added.
fn remembered(router: SocketAddr) -> Known {
    let view = get(router, "/admin/v1/nodes").json();
    let nodes = view["nodes"].as_array().expect("a list").iter().filter(|node| node["name"] != "other");
    let known = nodes.map(|node| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let is_drained = node["draining"].as_array().is_some_and(|who| !who.is_empty());
        (text(&node["name"]), (text(&node["labels"]["by"]), is_drained))
    });
    known.collect()
}
