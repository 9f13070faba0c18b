//! What the router learns from answers and from agents, and what it does with it, as `herdwick explain` tells it.

use std::time::{Duration, Instant};

use herdwick_fleet::Claim;
use herdwick_wire::beat::ReadingBeat;

use crate::support::{Agent, Client, Node, Reply, Router, finished, nobody, post, until};

const MODEL: &str = "m:1b,resident,bytes=1GB,first_token=20ms,token=2ms,tokens=20";
const COLD: &str = "m:1b,load=10ms,bytes=1GB,first_token=20ms,token=2ms,tokens=20";

/// A streamed question of about a hundred tokens.
fn ask(model: &str) -> String {
    let prompt = "the sheep are on the hill ".repeat(16);
    format!(r#"{{"model":"{model}","prompt":"{prompt}"}}"#)
}

fn asks(router: &Router, model: &str) -> Reply {
    let reply = post(router.address, "/api/generate", &ask(model));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// The last decision, as data.
fn explained(router: &Router) -> serde_json::Value {
    let command = finished(&["explain", "last", "--json", "--router", &router.address.to_string()]);
    serde_json::from_str(&command.stdout).unwrap_or_else(|_| panic!("{}{}", command.stdout, command.stderr))
}

/// The candidate with this name in a decision.
fn candidate<'a>(decision: &'a serde_json::Value, node: &str) -> &'a serde_json::Value {
    let candidates = decision["candidates"].as_array().expect("a list");
    candidates
        .iter()
        .find(|candidate| candidate["node"] == node)
        .unwrap_or_else(|| panic!("{node}: {decision}"))
}

/// What a signal said of a candidate: milliseconds and words.
fn term<'a>(decision: &'a serde_json::Value, node: &str, signal: &str) -> (f64, &'a str) {
    let signals = decision["signals"].as_array().expect("a list");
    let at = signals.iter().position(|name| name == signal).unwrap_or_else(|| panic!("{signal}: {decision}"));
    let term = &candidate(decision, node)["terms"][at];
    (term["ms"].as_f64().expect("a number"), term["words"].as_str().expect("words"))
}

/// A reading by which a candidate was judged.
fn reading(decision: &serde_json::Value, node: &str, column: &str) -> f64 {
    let readings = candidate(decision, node)["readings"].as_array().expect("a list");
    let found = readings.iter().find(|reading| reading[0] == column);
    found.unwrap_or_else(|| panic!("no {column}: {decision}"))[1].as_f64().expect("a number")
}

/// The agent of a machine that serves `node`, which beats so seldom that a test need not.
fn agent(name: &str, node: &Node, readings: &[(&str, f64)]) -> Agent {
    let mut agent = Agent::new(name).serves(node.address.port(), &["m:1b"]);
    agent.beat.interval_ms = 60_000;
    let told =
        readings.iter().map(|(name, value)| ReadingBeat { name: (*name).into(), value: *value, age_ms: 0 });
    agent.beat.readings = told.collect();
    agent
}

/// Two machines alike but for what their agents tell.
struct Twins {
    nodes: [Node; 2],
    router: Router,
}

impl Twins {
    /// `calm` and `other`.
    fn new(model: &str, calm: &[(&str, f64)], other: &[(&str, f64)]) -> Self {
        let nodes = ["calm", "other"].map(|name| Node::start(name, &["--slots", "4", "--model", model]));
        let router = Router::start(&[format!("none=http://{}", nobody())], &[]);
        let is_cold = model == COLD;
        for (name, node, readings) in [("calm", &nodes[0], calm), ("other", &nodes[1], other)] {
            let mut agent = agent(name, node, readings);
            if is_cold {
                agent
                    .beat
                    .servers
                    .iter_mut()
                    .for_each(|server| _ = server.tell(&Claim::Resident(Vec::new())));
            }
            agent.join(router.address);
        }
        let twins = Self { nodes, router };
        // Both are reached by the router itself before anything is asked.
        until("both can be asked", || {
            let status =
                finished(&["nodes", "list", "--json", "--router", &twins.router.address.to_string()]);
            (status.stdout.matches("\"ready\"").count() + status.stdout.matches("\"up\"").count() >= 2)
                .then_some(())
        });
        twins
    }

    /// New work goes to the calm one, and the other one's signal says why, in milliseconds.
    fn loses(&self, signal: &str, words: &str) {
        let reply = asks(&self.router, "m:1b");
        let decision = explained(&self.router);
        let (ms, told) = term(&decision, "other", signal);
        let (calm, _) = term(&decision, "calm", signal);
        assert!(told.contains(words), "{words:?} is not in {told:?}");
        assert!(ms > calm + 20.0, "{signal}: {ms} ms against {calm} ms of its twin, {told:?}");
        assert_eq!(reply.header("x-herdwick-node"), "calm", "{decision}");
        let why = reply.header("x-herdwick-why");
        assert!(why.contains("ahead of other") && why.contains(signal), "{why}");
        for _ in 0..4 {
            assert_eq!(asks(&self.router, "m:1b").header("x-herdwick-node"), "calm");
        }
        assert_eq!(self.nodes[1].asked(), 0);
        let table = finished(&["explain", "last", "--router", &self.router.address.to_string()]).stdout;
        assert!(table.contains(signal) && table.contains(" ms"), "{table}");
    }
}

#[test]
fn a_machine_that_slows_itself_down_loses_new_work_to_its_twin() {
    Twins::new(MODEL, &[("node.throttled-flag", 0.0)], &[("node.throttled-flag", 1.0)])
        .loses("availability-trend", "slows itself down ");
}

#[test]
fn a_machine_in_a_meeting_loses_new_work_to_its_twin() {
    Twins::new(MODEL, &[("node.meeting-flag", 0.0)], &[("node.meeting-flag", 1.0)])
        .loses("availability-trend", "in a meeting ");
}

#[test]
fn a_machine_on_battery_loses_new_work_to_its_twin() {
    Twins::new(MODEL, &[("node.battery-flag", 0.0)], &[("node.battery-flag", 1.0)])
        .loses("availability-trend", "on battery ");
}

#[test]
fn a_machine_whose_graphics_memory_is_full_loses_new_work_to_its_twin() {
    let memory =
        |free| [("mem.total-bytes", 24e9), ("mem.system-total-bytes", 96e9), ("mem.free-bytes", free)];
    Twins::new(COLD, &memory(20e9), &memory(0.2e9))
        .loses("memory-fit", "its memory is full, 80 % of it on the CPU");
}

#[test]
fn a_machine_with_faster_memory_is_taken_for_faster_until_answers_say_how_fast_it_is() {
    let twins =
        Twins::new(MODEL, &[("node.bandwidth-bytes-per-s", 8e11)], &[("node.bandwidth-bytes-per-s", 1e10)]);
    twins.loses("role-affinity", "writes 15 tokens/s, guessed)");
    let decision = explained(&twins.router);
    let (_, words) = term(&decision, "calm", "role-affinity");
    assert!(words.contains("learned from 4 answers"), "{words}");
    let decode = reading(&decision, "calm", "rate.decode-per-s");
    assert!((100.0..700.0).contains(&decode), "1,200 a second were guessed, 500 are true: {decode}");
}

#[test]
fn a_machine_that_lies_about_its_speed_is_believed_by_the_routers_clock_and_told_of() {
    const SLOW: &str = "m:1b,resident,bytes=1GB,first_token=50ms,token=10ms,tokens=30";
    let honest = Node::start("honest", &["--model", SLOW]);
    let liar = Node::start("liar", &["--model", &format!("{SLOW},boast=3")]);
    for (name, node, is_told) in [("honest", honest, false), ("liar", liar, true)] {
        let (router, log) = Router::start_logged(&[node.spec(1)], &[], &[]);
        let router = router.knows("m:1b");
        (0..6).for_each(|_| _ = asks(&router, "m:1b"));
        let decode = reading(&explained(&router), name, "rate.decode-per-s");
        // 100 a second are true; a busy machine that runs this test makes it slower, never three times as fast.
        assert!(decode < 130.0, "{decode}");
        if is_told {
            let line = log.line("by this router's clock");
            assert!(line.contains("liar") && line.contains("m:1b"), "{line}");
        }
    }
}

#[test]
fn one_answer_beside_a_virus_scan_does_not_spoil_a_rate() {
    let node =
        Node::start("only", &["--model", "m:1b,resident,bytes=1GB,first_token=20ms,token=5ms,tokens=20"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    (0..12).for_each(|_| _ = asks(&router, "m:1b"));
    // The next decision is made on what the twelve taught.
    asks(&router, "m:1b");
    let before = reading(&explained(&router), "only", "rate.decode-per-s");
    node.script(r#"[{"ok":{"n":20,"itl_ms":200,"ttft_ms":20}}]"#);
    asks(&router, "m:1b");
    asks(&router, "m:1b");
    let after = reading(&explained(&router), "only", "rate.decode-per-s");
    assert!(after > before * 0.85, "forty times slower once: {before} became {after}");
}

#[test]
fn after_fifty_requests_service_is_predicted_as_it_is_however_wrong_the_guess_was() {
    // Sizes say 150, 15, 1.5 and 1,500 tokens a second; none of that is true.
    let machines = [
        ("m0:1b", "bytes=1GB,first_token=100ms,token=8ms"),
        ("m1:1b", "bytes=10GB,first_token=40ms,token=5ms"),
        ("m2:1b", "bytes=100GB,first_token=150ms,token=10ms"),
        ("m3:1b", "bytes=100MB,first_token=60ms,token=12ms"),
    ];
    let nodes: Vec<Node> = machines
        .iter()
        .map(|(model, pace)| {
            Node::start(&model[..2], &["--model", &format!("{model},resident,{pace},tokens=40")])
        })
        .collect();
    let specs: Vec<_> = nodes.iter().map(|node| node.spec(1)).collect();
    let mut router = Router::start(&specs, &[]);
    for (model, _) in machines {
        router = router.knows(model);
    }
    let mut took = vec![Vec::new(); machines.len()];
    for request in 0..52 {
        let (model, _) = machines[request % machines.len()];
        let mut client = Client::connect(router.address);
        let began = Instant::now();
        client.send("POST", "/api/generate", &[], ask(model).as_bytes());
        assert_eq!(client.reply().status, 200);
        took[request % machines.len()].push(began.elapsed());
    }
    for ((model, _), took) in machines.iter().zip(&mut took) {
        asks(&router, model);
        let decision = explained(&router);
        let node = &model[..2];
        let read = |column| reading(&decision, node, column);
        let prefill = read("req.prompt-tokens") / read("rate.prefill-per-s");
        let predicted = prefill + read("req.expected-tokens") / read("rate.decode-per-s");
        // What it took in the end, of several, since the machine that runs this test may be busy.
        let mut last: Vec<Duration> = took.split_off(took.len() - 7);
        last.sort();
        let true_one = last[3].as_secs_f64();
        println!("{model}: predicted {:.0} ms, took {:.0} ms", predicted * 1e3, true_one * 1e3);
        let wrong = (predicted / true_one - 1.0).abs();
        assert!(wrong < 0.25, "{model}: predicted {predicted:.3} s, took {true_one:.3} s");
    }
}
