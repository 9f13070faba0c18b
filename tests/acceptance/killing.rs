//! One of four nodes is killed under sixty-four streams: whoever has no byte of an answer yet gets a whole one from
//! another node, and whoever has some is told in a frame of its dialect that no more will come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::{Client, Node, Router};

const NODES: usize = 4;
const STREAMS: usize = 64;
/// Instants at which a node is killed; `TEST_SEEDS` makes it more or fewer.
const SEEDS: u64 = 30;
/// A quarter of a second for an answer, a tenth of it in silence.
const MODEL: &str = "m:1b,resident,first_token=25ms,token=5ms,tokens=45";
/// The kill falls anywhere from before the first answer begins to the last ones' end.
const SPAN_MS: u64 = 250;
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

/// How a stream ended, and when.
#[derive(Debug)]
enum Ended {
    Whole { attempts: u32 },
    Told(Instant),
    Wrong(String),
}

#[test]
fn a_node_that_is_killed_costs_no_request_without_a_first_byte_and_no_stream_ends_silently() {
    let (mut whole, mut moved, mut told, mut slowest) = (0, 0, 0, Duration::ZERO);
    let seeds = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 1..=seeds {
        let (killed, ended) = round(seed);
        for ended in ended {
            match ended {
                Ended::Whole { attempts } => {
                    whole += 1;
                    moved += u32::from(attempts > 1);
                }
                Ended::Told(at) => {
                    told += 1;
                    slowest = slowest.max(at.saturating_duration_since(killed));
                }
                Ended::Wrong(what) => panic!("seed {seed}: {what}"),
            }
        }
    }
    println!(
        "{seeds} seeds: {whole} whole ({moved} from another node), {told} told of the cut, the slowest {slowest:?} after it"
    );
    assert!(moved > 0 && told > 0, "the kill fell among silent and among speaking answers");
}

/// Starts everything, kills one node at an instant of the seed's choice, and says when, and how each stream ended.
fn round(seed: u64) -> (Instant, Vec<Ended>) {
    let mut nodes: Vec<_> = (0..NODES)
        .map(|number| Node::start(&format!("node{number}"), &["--slots", "16", "--model", MODEL]))
        .collect();
    let specs: Vec<_> = nodes.iter().map(|node| node.spec(16)).collect();
    let router = Router::start(&specs, &[]).knows("m:1b");
    let address = router.address;
    // A multiplication by a large odd number spreads the seeds over the whole range.
    let spread = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (victim, after) = (spread as usize % NODES, Duration::from_millis(spread / 7 % SPAN_MS));
    let streams: Vec<_> = (0..STREAMS).map(|_| std::thread::spawn(move || stream(address))).collect();
    // sleeps because the instant of the kill is what the seed chooses
    std::thread::park_timeout(after);
    let killed = Instant::now();
    nodes.swap_remove(victim).kill();
    (killed, streams.into_iter().map(|stream| stream.join().expect("it ends")).collect())
}

/// One client's view of one stream.
fn stream(router: SocketAddr) -> Ended {
    let mut client = Client::connect(router);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    if answer.head.status != 200 {
        let reply = answer.finish();
        return Ended::Wrong(format!("without a byte of an answer it failed: {reply:?}"));
    }
    let attempts = answer.head.header("x-herdwick-attempts").parse().unwrap_or(0);
    let mut text = String::new();
    while let Some(piece) = answer.piece() {
        match piece {
            Ok(piece) => text.push_str(&String::from_utf8_lossy(&piece)),
            Err(broken) => return Ended::Wrong(format!("{broken} after {text:?}")),
        }
    }
    let last: serde_json::Value = match text.lines().last().map(serde_json::from_str) {
        Some(Ok(last)) => last,
        other => return Ended::Wrong(format!("the last line is no JSON: {other:?}")),
    };
    let lines = text.lines().count();
    match (last["done"] == true, last["code"].as_str()) {
        (true, None) if lines == 46 => Ended::Whole { attempts },
        (false, Some("node_lost")) if lines > 1 => Ended::Told(Instant::now()),
        _ => Ended::Wrong(format!("{lines} lines, the last one {last}")),
    }
}
