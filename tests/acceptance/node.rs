//! Machines with an agent: they join, serve, leave and come back, whatever ends first. Everything is on loopback, which
//! has many addresses on Linux: a server on another one than its agent's is what a server on loopback only is elsewhere.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Client, Machine, Node, Router, get, nobody, post, until};

const MODEL: &[&str] = &["--slots", "2", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;
/// How soon a machine serves, counted from the later start of its agent and the router.
const SOON: Duration = Duration::from_secs(1);
/// How soon all is whole again after a process was killed and started again.
const WHOLE: Duration = Duration::from_secs(3);

/// A folder of one test alone, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("node-{}-{name}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self, of: &str) -> String {
        self.0.join(of).to_str().expect("a path of letters").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An address on which something may listen soon.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// A router that knows of no machine but of those whose agents report to it.
fn router(listen: SocketAddr, state: &str) -> Router {
    Router::start(&[format!("http://{}", nobody())], &["--listen", &listen.to_string(), "--state-dir", state])
}

/// An agent in front of `node`.
fn agent(node: &Node, routers: &[SocketAddr], state: &str) -> Machine {
    let backend = format!("ollama=http://{}", node.address);
    let routers: Vec<_> = routers.iter().map(ToString::to_string).collect();
    let mut options = vec!["--backend", &backend, "--name", "studio", "--state-dir", state];
    options.extend(routers.iter().flat_map(|router| ["--router", router]));
    Machine::start(&options)
}

/// Returns how long it takes until a request is answered.
fn served(router: SocketAddr, since: Instant) -> Duration {
    until("a request is answered", || {
        let reply = post(router, "/api/chat", ASK);
        (reply.status == 200 && reply.text().contains("\"done\":true")).then(|| since.elapsed())
    })
}

fn signal(name: &str, id: u32) {
    let told = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
    assert!(told.is_ok_and(|status| status.success()));
}

#[test]
fn a_machine_serves_within_a_second_of_the_later_start() {
    let scratch = Scratch::new("order");
    let node = Node::start("studio", MODEL);
    let at = free();
    // The agent first, and long enough for its patience to be at its longest.
    let agent_first = agent(&node, &[at], &scratch.path("first"));
    agent_first.line("not there: nothing listens there");
    let first = router(at, &scratch.path("router"));
    let took = served(first.address, Instant::now());
    assert!(took < SOON, "{took:?} after the router");
    drop(agent_first);
    // The router first.
    let began = Instant::now();
    let second = agent(&node, &[at], &scratch.path("second"));
    second.line("has this machine");
    let took = served(first.address, began);
    println!("served {took:?} after the agent's start");
    assert!(took < SOON * 2, "{took:?} after the agent, which takes its time to start in a debug build");
}

#[test]
fn a_server_that_listens_for_its_machine_only_serves_through_its_agent() {
    let scratch = Scratch::new("forward");
    let node = Node::start_on("studio", "127.0.0.7:0", MODEL);
    let router = router(free(), &scratch.path("router"));
    let agent = agent(&node, &[router.address], &scratch.path("agent"));
    let line = agent.log.line("passing on from");
    served(router.address, Instant::now());
    // Nobody else comes in by this door.
    let at =
        line.split("passing on from ").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let at: SocketAddr = at.parse().expect("an address");
    assert_eq!(post(at, "/api/chat", ASK).status, 401);
    // What a client leaves is left by the router, the agent and the server.
    node.script(r#"[{"silent":{}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    node.wait("running=1");
    drop(client);
    node.wait("idle=1");
}

#[test]
fn an_agent_that_is_told_to_end_lets_answers_end_and_takes_its_machine_out() {
    let scratch = Scratch::new("drain");
    let node = Node::start_on("studio", "127.0.0.7:0", MODEL);
    let router = router(free(), &scratch.path("router"));
    let agent = agent(&node, &[router.address], &scratch.path("agent"));
    served(router.address, Instant::now());
    node.script(r#"[{"ok":{"n":40,"itl_ms":20}}]"#);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    assert!(answer.piece().is_some_and(|piece| piece.is_ok()));
    signal("TERM", agent.id());
    // New work is refused while the old one runs.
    until("new work is refused", || (post(router.address, "/api/chat", ASK).status != 200).then_some(()));
    let whole = answer.finish().expect("the answer ends whole");
    assert!(whole.text().contains("\"done\":true"));
    assert_eq!(agent.ended(), Some(0));
}

#[test]
fn a_router_that_is_killed_has_its_machines_back_soon_after_it_is_started_again() {
    let scratch = Scratch::new("router-killed");
    let node = Node::start("studio", MODEL);
    let (at, state) = (free(), scratch.path("router"));
    let first = router(at, &state);
    let _agent = agent(&node, &[at], &scratch.path("agent"));
    served(at, Instant::now());
    for _ in 0..2 {
        first_killed(&first);
    }
    first.kill();
    let again = router(at, &state);
    let took = served(again.address, Instant::now());
    assert!(took < WHOLE, "{took:?}");
}

/// A router that stood still for a moment, as that of a machine that slept, does not lose its machine.
fn first_killed(router: &Router) {
    signal("STOP", router.id());
    // sleeps because nothing announces that a stopped process missed some beats
    std::thread::park_timeout(Duration::from_millis(1_500));
    signal("CONT", router.id());
    let took = served(router.address, Instant::now());
    assert!(took < WHOLE, "{took:?} after it went on");
}

#[test]
fn an_agent_that_is_killed_or_stopped_is_the_same_machine_when_it_comes_back() {
    let scratch = Scratch::new("agent-killed");
    let node = Node::start("studio", MODEL);
    let router = router(free(), &scratch.path("router"));
    let state = scratch.path("agent");
    let first = agent(&node, &[router.address], &state);
    served(router.address, Instant::now());
    signal("STOP", first.id());
    // sleeps because nothing announces that a stopped process missed some beats
    std::thread::park_timeout(Duration::from_millis(1_500));
    signal("CONT", first.id());
    served(router.address, Instant::now());
    first.kill();
    let second = agent(&node, &[router.address], &state);
    second.log.line("reporting to the router");
    served(router.address, Instant::now());
    let status = get(router.address, "/admin/v1/status").json().to_string();
    assert_eq!(status.matches("\"name\":\"studio").count(), 1, "{status}");
}

#[test]
fn a_router_that_moved_is_found_and_known_again() {
    let scratch = Scratch::new("moved");
    let node = Node::start("studio", MODEL);
    let (here, there, state) = (free(), free(), scratch.path("router"));
    let first = router(here, &state);
    let agent = agent(&node, &[here, there], &scratch.path("agent"));
    served(here, Instant::now());
    first.kill();
    // Somebody else takes its place, and the router comes back elsewhere.
    let impostor = router(here, &scratch.path("impostor"));
    let line = agent.log.line("another router answers");
    assert!(line.contains("it is not obeyed"), "{line}");
    let moved = router(there, &state);
    let took = served(moved.address, Instant::now());
    assert!(took < WHOLE, "{took:?}");
    assert_ne!(post(impostor.address, "/api/chat", ASK).status, 200, "it got no machine");
}

#[test]
fn two_routers_have_the_same_machine() {
    let scratch = Scratch::new("two");
    let node = Node::start_on("studio", "127.0.0.7:0", MODEL);
    let (one, two) = (router(free(), &scratch.path("one")), router(free(), &scratch.path("two")));
    let _agent = agent(&node, &[one.address, two.address], &scratch.path("agent"));
    served(one.address, Instant::now());
    served(two.address, Instant::now());
    one.kill();
    served(two.address, Instant::now());
}

#[test]
fn an_agent_that_is_told_to_end_takes_its_machine_out() {
    let scratch = Scratch::new("leaves");
    let node = Node::start("studio", MODEL);
    let router = router(free(), &scratch.path("router"));
    let agent = agent(&node, &[router.address], &scratch.path("agent"));
    served(router.address, Instant::now());
    signal("TERM", agent.id());
    until("no work is sent there", || (post(router.address, "/api/chat", ASK).status != 200).then_some(()));
    assert_eq!(agent.ended(), Some(0));
}

/// Kills, of one side and the other in turns, at moments spread over what a start and its first beats take; `TEST_SEEDS`
/// makes it more or fewer.
const KILLS: u64 = 50;

#[test]
fn whoever_is_killed_at_whatever_moment_all_is_whole_again() {
    let scratch = Scratch::new("kills");
    let node = Node::start_on("studio", "127.0.0.7:0", MODEL);
    let (at, router_state, agent_state) = (free(), scratch.path("router"), scratch.path("agent"));
    let mut the_router = router(at, &router_state);
    let mut the_agent = agent(&node, &[at], &agent_state);
    let mut worst = Duration::ZERO;
    let kills = std::env::var("TEST_SEEDS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    for kill in 0..kills {
        served(at, Instant::now());
        // sleeps because the moment of the kill is what is varied
        std::thread::park_timeout(Duration::from_millis(kill * 173 % 1_000));
        if kill % 2 == 0 {
            the_router.kill();
            the_router = router(at, &router_state);
        } else {
            the_agent.kill();
            the_agent = agent(&node, &[at], &agent_state);
            // Until it is heard of again the router asks where nobody passes on any more.
            the_agent.log.line("reporting to the router");
        }
        worst = worst.max(served(at, Instant::now()));
    }
    println!("whole again within {worst:?}");
    assert!(worst < WHOLE, "{worst:?}");
    let status = get(at, "/admin/v1/status").json().to_string();
    assert_eq!(status.matches("\"name\":\"studio").count(), 1, "{status}");
    drop(the_agent);
}
