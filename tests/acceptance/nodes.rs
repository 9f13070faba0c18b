//! `herdwick nodes`: what an operator does with machines, what each of them is told, and what of it survives.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::process::Command as Shell;

#[cfg(unix)]
use crate::support::Agent;
use crate::support::{
    Client, Finished, Node, Reply, Router, Scratch, Watched, finished, nobody, post, until,
};

const MODEL: &str = "m:1b,resident,first_token=1ms,token=1ms,tokens=3";
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;

fn nodes_at(address: SocketAddr, args: &[&str]) -> Finished {
    let address = address.to_string();
    let args: Vec<&str> =
        ["nodes"].into_iter().chain(args.iter().copied()).chain(["--router", address.as_str()]).collect();
    finished(&args)
}

/// What a command says that goes well.
fn told(router: &Router, args: &[&str]) -> String {
    let Finished { code, stdout, stderr } = nodes_at(router.address, args);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}: {stdout}");
    stdout
}

/// The lines of a command that fails.
fn refused(router: SocketAddr, args: &[&str]) -> Vec<String> {
    let Finished { code, stdout, stderr } = nodes_at(router, args);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{args:?}: {stderr}");
    let lines: Vec<_> = stderr.lines().map(str::to_owned).collect();
    assert!(lines.len() <= 3 && lines.last().is_some_and(|last| last.starts_with("next:  ")), "{stderr}");
    lines
}

/// The line of the list about a machine, cell by cell.
fn line(router: &Router, name: &str) -> Option<Vec<String>> {
    let list = told(router, &["list"]);
    assert!(list.starts_with("NAME\tSTATE\tMODELS\tRUNNING\tSEEN\tADDRESS\tAGENT\n"), "{list}");
    let line = list.lines().find(|line| line.split('\t').next() == Some(name))?;
    Some(line.split('\t').map(str::to_owned).collect())
}

fn state(router: &Router, name: &str) -> String {
    line(router, name).unwrap_or_else(|| panic!("{name} is not listed"))[1].clone()
}

fn chat(router: &Router, model: &str) -> Reply {
    post(router.address, "/api/chat", &ASK.replace("m:1b", model))
}

#[test]
fn what_is_added_is_listed_serves_and_is_there_after_a_restart_until_it_is_removed() {
    let scratch = Scratch::new("nodes-added");
    let a = Node::start("a", &["--model", "a:1b"]);
    let b =
        Node::start("b", &["--slots", "2", "--model", "b:1b,resident,first_token=1ms,token=1ms,tokens=3"]);
    let start = || Router::start(&[a.spec(1)], &["--state-dir", scratch.text()]);

    let router = start();
    let url = format!("http://{}", b.address);
    let added =
        told(&router, &["add", &url, "--name", "studio", "--slots", "2", "--label", "room=the office"]);
    let expected = format!("added studio at {}: ollama 0.12.6 answers, 1 model, 1 in memory\n", b.address);
    assert_eq!(added, expected);
    let router = router.knows("b:1b");
    let shown = ["studio", "up", "1", "-", "now", &b.address.to_string(), "-"].map(str::to_owned);
    assert_eq!(line(&router, "studio"), Some(shown.to_vec()));
    assert_eq!(chat(&router, "b:1b").header("x-herdwick-node"), "studio");
    // Killed, not stopped: what a command was told is done needs no end in order.
    drop(router);

    let router = start().knows("b:1b");
    assert_eq!(chat(&router, "b:1b").header("x-herdwick-node"), "studio");
    let shown = told(&router, &["show", "studio"]);
    for part in ["studio  up\n", "labels     room=the office\n", "agent      none", "b:1b", "0/2 busy"] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&told(&router, &["show", &b.address.to_string(), "--json"])).expect("JSON");
    assert_eq!((&json["name"], &json["labels"]["room"]), (&"studio".into(), &"the office".into()), "{json}");
    let configured = finished(&["config", "show", "--json"]).stdout;
    assert!(!configured.contains("studio"), "no file of the operator's knows of it: {configured}");

    assert_eq!(
        told(&router, &["label", "studio", "room=attic", "rack=2"]),
        "studio is labelled rack=2, room=attic\n"
    );
    assert_eq!(told(&router, &["label", "studio", "--remove", "rack"]), "studio is labelled room=attic\n");
    let lines = refused(router.address, &["label", "studio", "--remove", "rack"]);
    assert_eq!(lines[0], "error: studio has no label \"rack\"");
    assert_eq!(told(&router, &["rename", "studio", "attic"]), "studio is called attic from now on\n");
    drop(router);
    let router = start();
    assert_eq!(line(&router, "studio"), None);
    let shown = told(&router, &["show", "attic"]);
    assert!(shown.contains("labels     room=attic\n"), "{shown}");
    assert_eq!(told(&router, &["rm", "attic"]), "removed attic; what runs there may end\n");
    assert_eq!(line(&router, "attic"), None);
    drop(router);
    let router = start();
    assert_eq!(line(&router, "attic"), None);
    assert!(line(&router, "a").is_some(), "what the configuration names is not touched");
}

#[test]
fn a_drained_machine_gets_no_new_work_ends_what_runs_and_stays_drained_over_a_restart() {
    let scratch = Scratch::new("nodes-drained");
    let slow = "m:1b,resident,first_token=1ms,token=20ms,tokens=60";
    let a = Node::start("a", &["--slots", "4", "--model", slow]);
    let b = Node::start("b", &["--slots", "4", "--model", MODEL]);
    let start = |specs: &[String]| Router::start(specs, &["--state-dir", scratch.text()]).knows("m:1b");
    let router = start(&[a.spec(4)]);
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], ASK.as_bytes());
    let mut answer = client.begin();
    assert!(answer.piece().is_some_and(|piece| piece.is_ok()), "the stream runs");
    told(&router, &["add", &format!("http://{}", b.address), "--name", "b", "--slots", "4"]);
    until("both are there", || (state(&router, "b") == "up").then_some(()));

    let said = told(&router, &["drain", "a"]);
    assert!(said.starts_with("a gets no new work; 1 request that runs there may end"), "{said}");
    assert_eq!(state(&router, "a"), "draining");
    let address = router.address.to_string();
    let waiting = Watched::start(&["nodes", "drain", "a", "--wait", "--router", &address]);
    waiting.line("a gets no new work; waiting for 1 request");
    let before = a.asked();
    for _ in 0..8 {
        assert_eq!(chat(&router, "m:1b").header("x-herdwick-node"), "b");
    }
    assert_eq!(a.asked(), before, "nothing new went there");
    let rest = answer.finish().expect("the stream ends whole").text();
    assert_eq!(rest.matches("\"done\":true").count(), 1, "{rest}");
    waiting.line("nothing runs on a any more");
    assert_eq!(waiting.ended(), Some(0));
    assert_eq!(state(&router, "a"), "drained");
    drop(router);

    let router = start(&[a.spec(4)]);
    assert_eq!(state(&router, "a"), "drained");
    assert_eq!(chat(&router, "m:1b").header("x-herdwick-node"), "b");
    assert_eq!(told(&router, &["drain", "a", "--wait"]), "a gets no new work, and nothing runs there\n");
    assert_eq!(told(&router, &["undrain", "a"]), "a gets work again\n");
    told(&router, &["drain", "b"]);
    assert_eq!(chat(&router, "m:1b").header("x-herdwick-node"), "a");
    drop(router);
    let router = start(&[a.spec(4)]);
    assert_eq!((state(&router, "a").as_str(), state(&router, "b").as_str()), ("up", "drained"));
}

#[test]
fn what_the_configuration_names_can_be_drained_but_not_taken_out() {
    let node = Node::start("studio", &["--model", MODEL]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    for command in ["rm", "forget"] {
        let lines = refused(router.address, &[command, "studio"]);
        assert_eq!(lines[0], "error: studio is named in the configuration or at the start");
        assert_eq!(lines[1], "next:  take it out there, or drain it: `herdwick nodes drain studio`");
    }
    told(&router, &["drain", "studio"]);
    assert_eq!(state(&router, "studio"), "drained");
    let lines = refused(router.address, &["add", &format!("http://{}", node.address)]);
    assert!(lines[0].contains("in the fleet already, as studio"), "{lines:?}");
}

#[test]
fn a_machine_that_is_gone_is_forgotten_for_good() {
    let scratch = Scratch::new("nodes-forgotten");
    let node = Node::start("studio", &["--model", MODEL]);
    let silent = format!("http://{}", nobody());
    let start = || Router::start(&[node.spec(1)], &["--state-dir", scratch.text()]);
    let router = start();
    let added = told(&router, &["add", &silent, "--name", "old"]);
    assert!(added.contains("it is not of use yet: nothing listens there; it is asked again"), "{added}");
    assert!(added.contains("\nnext:  start it there: ollama serve"), "{added}");
    until("it is known to be down", || (state(&router, "old") == "down").then_some(()));
    drop(router);
    let router = start();
    assert_eq!(told(&router, &["forget", "old"]), "forgot old; if it reports again, it is new\n");
    drop(router);
    assert_eq!(line(&start(), "old"), None);
}

#[test]
#[cfg(unix)]
fn a_machine_that_reports_is_remembered_with_its_name_and_drain_and_forgotten_once_it_is_gone() {
    let scratch = Scratch::new("nodes-reporting");
    let node = Node::start("studio", &["--model", MODEL]);
    let other = format!("other=http://{}", nobody());
    let start = || Router::start(std::slice::from_ref(&other), &["--state-dir", scratch.text()]);
    let router = start();
    let mut agent = Agent::new("studio").serves(node.address.port(), &["m:1b"]);
    agent.join(router.address);
    until("it is listed", || line(&router, "studio"));
    told(&router, &["rename", "studio", "desk"]);
    told(&router, &["drain", "desk"]);
    agent.beat(router.address);
    for command in ["forget", "rm"] {
        let lines = refused(router.address, &[command, "desk"]);
        assert_eq!(lines[0], "error: the agent of desk reports, and would bring it back");
        assert!(lines[1].starts_with("next:  stop the agent first, or drain the node"), "{lines:?}");
    }
    node.kill();
    let stop = Shell::new("sh").args(["-c", &format!("kill -TERM {}", router.id())]).status();
    assert!(stop.is_ok_and(|status| status.success()));
    assert_eq!(router.ended(), Some(0));

    let router = start();
    let cells = line(&router, "desk").expect("it is remembered");
    assert_eq!((cells[1].as_str(), cells[6].as_str()), ("offline, drained", "herdwick 0.0.0-test"));
    assert!(cells[4] == "now" || cells[4].ends_with(" s ago"), "when it was there is remembered: {cells:?}");
    agent.restart();
    agent.join(router.address);
    let back = "it comes back as the same, with what was said of it";
    until(back, || (state(&router, "desk") == "drained").then_some(()));
    drop(router);
    let router = start();
    assert_eq!(told(&router, &["forget", "desk"]), "forgot desk; if it reports again, it is new\n");
    agent.restart();
    agent.beat.draining = false;
    agent.join(router.address);
    let cells = until("it is listed", || line(&router, "studio"));
    assert!(!cells[1].contains("drained"), "of its former life nothing is known: {cells:?}");
    assert_eq!(line(&router, "desk"), None);
}

#[test]
fn a_test_says_what_is_there_and_what_to_do_about_it() {
    let node = Node::start("studio", &["--model", MODEL, "--model", "n:1b"]);
    let gone = nobody();
    let router = Router::start(&[node.spec(1), format!("mini=http://{gone}")], &[]).knows("m:1b");
    let good = told(&router, &["test", "studio"]);
    assert!(
        good.starts_with(&format!("{}: ollama 0.12.6 answers, 2 models, 1 in memory, in ", node.address)),
        "{good}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&told(&router, &["test", "studio", "--json"])).expect("JSON");
    assert_eq!(json["servers"][0]["models"], 2, "{json}");

    let lines = refused(router.address, &["test", "mini"]);
    assert_eq!(lines[0], format!("error: mini is of no use at {gone}"));
    assert_eq!(lines[1], "cause: nothing listens there");
    assert!(lines[2].contains("ollama serve"), "{lines:?}");

    // Somebody who takes connections and says nothing, and somebody who says something else.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let other = stranger();
    for (which, cause, next) in [
        (gone.to_string(), "nothing listens there", "start it there: ollama serve"),
        (mute.local_addr().expect("an address").to_string(), "no answer within 2 s", "herdwick doctor"),
        (other.to_string(), "it is no model server that is known here", "Ollama's is 11434"),
        (router.address.to_string(), "it is a Herdwick router, not a model server", "the machines behind it"),
    ] {
        // An address needs no router.
        let lines = refused(nobody(), &["test", &format!("http://{which}")]);
        assert_eq!(lines[0], format!("error: {which} is of no use"));
        assert_eq!(lines[1], format!("cause: {cause}"));
        assert!(lines[2].contains(next), "{lines:?}");
    }
    let lines = refused(nobody(), &["test", "http://no-such-machine.invalid"]);
    // Where no name server answers at all, this takes longer than anybody waits.
    let is_known = lines[1] == "cause: its name is not known here" && lines[2].contains("mend the name");
    assert!(is_known || lines[1].starts_with("cause: no answer within"), "{lines:?}");
}

#[test]
fn whoever_is_not_there_is_told_with_the_nearest_name() {
    let node = Node::start("studio", &["--model", MODEL]);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    for command in ["show", "rm", "drain", "undrain", "forget", "test"] {
        let lines = refused(router.address, &[command, "studoi"]);
        assert_eq!(lines[0], "error: there is no node \"studoi\"", "{command}");
        assert_eq!(lines[1], "next:  did you mean `studio`? `herdwick nodes list` shows all", "{command}");
    }
    let lines = refused(router.address, &["rename", "studio", "my mac"]);
    assert!(lines[0].contains("\"my mac\" is no name for a node"), "{lines:?}");
    let lines = refused(router.address, &["add", "https://studio"]);
    assert_eq!(lines[1], "cause: the scheme \"https\" is not supported, only http");
}

#[test]
fn without_a_router_nothing_is_written_and_what_to_do_is_said() {
    let scratch = Scratch::new("nodes-nobody");
    std::fs::create_dir_all(scratch.path()).expect("a folder");
    let silent = nobody();
    for args in [&["list"][..], &["add", "http://10.0.0.5:11434"], &["drain", "studio"], &["rm", "studio"]] {
        let lines = refused(silent, args);
        assert_eq!(lines[0], format!("error: no router answers at {silent}"));
        assert!(lines[2].starts_with("next:  start one with `herdwick`"), "{lines:?}");
    }
    let address = silent.to_string();
    let variables = [("HERDWICK_STATE_DIR", scratch.text()), ("HERDWICK_CONFIG_DIR", scratch.text())];
    let args = ["nodes", "add", "http://10.0.0.5:11434", "--router", &address];
    assert_eq!(crate::support::finished_with(&args, &variables).code, Some(1));
    assert_eq!(scratch.names(), Vec::<String>::new());
}

/// Somebody who answers everything with a page of its own.
fn stranger() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut head = [0; 4_096];
            // One read takes a whole request of a probe; whether it did matters to nobody.
            let _ = stream.read(&mut head);
            let _ = stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
        }
    });
    address
}
