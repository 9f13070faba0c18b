//! Machines with agents that come, fall silent and go, as clients see it.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Agent, Node, Reply, Router, get, nobody, post, until};

const QUICK: &str = "m:1b,resident,first_token=1ms,token=1ms,tokens=3";
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

/// An agent that beats until it is told to be silent.
struct Beating {
    agent: Arc<Mutex<Agent>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Beating {
    fn start(mut agent: Agent, router: SocketAddr, interval: Duration) -> Self {
        agent.beat.interval_ms = u64::try_from(interval.as_millis()).expect("a short time");
        agent.join(router);
        let (agent, over) = (Arc::new(Mutex::new(agent)), Arc::new(AtomicBool::new(false)));
        let (told, mine) = (Arc::clone(&over), Arc::clone(&agent));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                mine.lock().expect("nobody panicked").beat(router);
                // sleeps because a beat comes every so often
                std::thread::park_timeout(interval);
            }
        });
        Self { agent, over, thread: Some(thread) }
    }

    /// It says nothing more; whoever wants can have it say more.
    fn silence(mut self) -> Arc<Mutex<Agent>> {
        self.end();
        Arc::clone(&self.agent)
    }

    fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().expect("it beat well");
        }
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// A router that knows nobody.
fn router() -> Router {
    Router::start(&[format!("none=http://{}", nobody())], &[])
}

/// A server on this machine and the agent that speaks for it.
fn machine(name: &str, router: &Router, interval: Duration) -> (Node, Beating) {
    let node = Node::start(name, &["--slots", "4", "--model", QUICK]);
    let agent = Agent::new(name).serves(node.address.port(), &["m:1b"]);
    let beating = Beating::start(agent, router.address, interval);
    (node, beating)
}

fn chat(router: &Router) -> Reply {
    post(router.address, "/api/chat", ASK)
}

/// What the status says of a machine's server.
fn status(router: &Router, name: &str) -> Value {
    let status = get(router.address, "/admin/v1/status").json();
    let nodes = status["nodes"].as_array().expect("a list").clone();
    nodes.into_iter().find(|node| node["name"] == name).unwrap_or_default()
}

fn standing(router: &Router, name: &str) -> String {
    status(router, name)["standing"].as_str().unwrap_or_default().to_owned()
}

fn wish(router: &Router, path: &str) -> Reply {
    post(router.address, &format!("/admin/v1/nodes/{path}"), "")
}

fn signal(name: &str, id: u32) {
    let told = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
    assert!(told.is_ok_and(|status| status.success()));
}

#[test]
fn a_machine_serves_from_the_moment_at_which_it_joins() {
    let router = router();
    let node = Node::start("studio", &["--model", QUICK]);
    let mut agent = Agent::new("studio").serves(node.address.port(), &["m:1b"]);
    agent.join(router.address);
    // The picture is published before the next client can come in.
    let answer = until("it serves", || Some(chat(&router)).filter(|answer| answer.status == 200));
    assert_eq!(answer.header("x-herdwick-node"), "studio");
    let shown = status(&router, "studio");
    assert_eq!(
        (&shown["standing"], &shown["agent"]["program"]),
        (&"online".into(), &"herdwick 0.0.0-test".into())
    );
    assert!(shown["agent"]["heard_ms"].as_u64().is_some_and(|ms| ms < 5_000), "{shown}");
}

#[test]
fn a_machine_that_stands_still_gets_no_work_within_four_and_a_half_seconds() {
    let router = router();
    let second = Duration::from_secs(1);
    let (stopped, silent) = machine("studio", &router, second);
    let (_well, _beats) = machine("mini", &router, second);
    until("both serve", || (status(&router, "mini")["reach"] == "up").then_some(()));
    until("it was tried", || stopped.log().to_string().contains("/api/version").then_some(()));
    silent.silence();
    let began = Instant::now();
    signal("STOP", stopped.id());
    until("it is down", || (status(&router, "studio")["reach"] == "down").then_some(()));
    let took = began.elapsed();
    assert!(took <= Duration::from_millis(4_500), "{took:?}");
    // From now on nobody waits for it.
    for _ in 0..8 {
        assert_eq!(chat(&router).header("x-herdwick-node"), "mini");
    }
    signal("CONT", stopped.id());
    until("it answers", || (status(&router, "studio")["reach"] == "up").then_some(()));
    assert_eq!(standing(&router, "studio"), "stale", "its server answers, its agent does not");
}

#[test]
fn an_agent_that_is_killed_costs_nothing_while_its_server_answers() {
    let router = router();
    let (_node, beats) = machine("studio", &router, Duration::from_millis(100));
    until("it serves", || (chat(&router).status == 200).then_some(()));
    let agent = beats.silence();
    until("it is missed", || (standing(&router, "studio") == "stale").then_some(()));
    for _ in 0..5 {
        assert_eq!(chat(&router).status, 200);
    }
    agent.lock().expect("nobody panicked").beat(router.address);
    until("it is back", || (standing(&router, "studio") == "online").then_some(()));
}

#[test]
fn what_somebody_named_and_an_agent_reports_is_one_node_with_one_count_of_slots() {
    let node = Node::start("studio", &["--slots", "4", "--model", QUICK]);
    let router = Router::start(&[node.spec(2)], &[]).knows("m:1b");
    let mut agent = Agent::new("mac-of-somebody").serves(node.address.port(), &["m:1b"]);
    agent.beat.servers[0].slots = Some(9);
    agent.join(router.address);
    until("it is one", || (standing(&router, "studio") == "online").then_some(()));
    let nodes = get(router.address, "/admin/v1/nodes").json();
    let nodes = nodes["nodes"].as_array().expect("a list").clone();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    assert_eq!(nodes[0]["servers"].as_array().map(Vec::len), Some(1));
    assert_eq!(nodes[0]["servers"][0]["models"][0]["slots"], 2, "the operator's word counts");
    assert_eq!(chat(&router).header("x-herdwick-node"), "studio");
}

#[test]
fn a_machine_that_drains_says_so_and_takes_work_again_when_it_may() {
    let router = router();
    let (_node, beats) = machine("studio", &router, Duration::from_millis(100));
    until("it serves", || (chat(&router).status == 200).then_some(()));
    assert_eq!(wish(&router, "studio/drain").status, 200);
    let refused = chat(&router);
    assert!(refused.status == 503 && refused.error().contains("studio is draining"), "{}", refused.text());
    until("its agent knows", || {
        let drains = status(&router, "studio")["draining"].to_string();
        (drains == r#"["agent","operator"]"#).then_some(())
    });
    assert_eq!(wish(&router, "studio/undrain").status, 200);
    until("it serves again", || (chat(&router).status == 200).then_some(()));
    drop(beats);
    let unknown = wish(&router, "nobody/drain");
    assert!(unknown.status == 404 && unknown.text().contains("herdwick nodes list"), "{}", unknown.text());
}

#[test]
fn nobody_loses_a_request_while_a_machine_comes_and_goes() {
    let router = router();
    let (_well, _beats) = machine("mini", &router, Duration::from_millis(100));
    let node = Node::start("studio", &["--slots", "4", "--model", QUICK]);
    let address = node.address;
    let mut agent = Agent::new("studio").serves(address.port(), &["m:1b"]);
    agent.beat.interval_ms = 100;
    let mut node = Some(node);
    for _ in 0..4 {
        let well = node.take().unwrap_or_else(|| {
            Node::start_on("studio", &address.to_string(), &["--slots", "4", "--model", QUICK])
        });
        agent.join(router.address);
        until("it is up", || {
            agent.beat(router.address);
            (status(&router, "studio")["reach"] == "up").then_some(())
        });
        assert_eq!(chat(&router).status, 200);
        well.kill();
        until("it is out", || {
            assert_eq!(chat(&router).status, 200);
            (status(&router, "studio")["reach"] == "down").then_some(())
        });
        until("its agent is missed", || (standing(&router, "studio") != "online").then_some(()));
    }
    let _node = Node::start_on("studio", &address.to_string(), &["--slots", "4", "--model", QUICK]);
    agent.beat(router.address);
    until("it is held back", || (standing(&router, "studio") == "held").then_some(()));
    for _ in 0..8 {
        let answer = chat(&router);
        assert_eq!((answer.status, answer.header("x-herdwick-node")), (200, "mini"));
    }
}

#[test]
fn an_agent_without_a_server_is_a_node_that_waits_for_one() {
    let router = router();
    let mut agent = Agent::new("studio");
    agent.join(router.address);
    until("it is there", || (standing(&router, "studio") == "online").then_some(()));
    let shown = status(&router, "studio");
    assert_eq!((&shown["origin"], &shown["why"]), (&"".into(), &"no model server runs there".into()));
    let next = get(router.address, "/admin/v1/status").json()["next"].to_string();
    assert!(next.contains("start Ollama on"), "{next}");
}
