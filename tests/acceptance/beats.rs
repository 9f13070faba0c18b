//! Heartbeats over real sockets: how an agent gets in, and that nobody else does in its name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use herdwick_wire::beat::Command;

use crate::support::{Agent, Client, Log, Node, Reply, Router, finished, nobody, post, until};

/// A router whose only node of its own is off, and its log.
fn router(options: &[&str]) -> (Router, Log) {
    Router::start_logged(&[format!("none=http://{}", nobody())], options, &[])
}

/// A body that Ollama Herd's agent sends, and what it is answered.
fn herd(router: SocketAddr, body: &str) -> Reply {
    let mut client = Client::connect(router);
    client.send("POST", "/heartbeat", &[("content-type", "application/json")], body.as_bytes());
    client.reply()
}

/// What the model is asked for.
const ASK: &str = r#"{"model":"m:1b","prompt":"hi","stream":false}"#;
const MODEL: &[&str] = &["--slots", "1", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];

/// The answer of the machine with this name, once the router knows that it has the model.
fn answered_by(router: &Router, node: &str) -> Reply {
    until(&format!("{node} answers"), || {
        let reply = post(router.address, "/api/generate", ASK);
        (reply.status == 200 && reply.header("x-herdwick-node") == node).then_some(reply)
    })
}

#[test]
fn a_machine_whose_agent_joins_serves_at_its_address_whatever_it_writes() {
    let node = Node::start("elsewhere", MODEL);
    let (router, _log) = router(&[]);
    let mut agent = Agent::new("studio").serves(node.address.port(), &["m:1b"]);
    agent.join(router.address);
    let reply = answered_by(&router, "studio");
    assert!(reply.text().contains("\"done\":true"), "{}", reply.text());
    // Fields that would say where it is.
    let mut said = serde_json::to_value(&agent.beat).expect("a beat is JSON");
    said["seq"] = (agent.beat.seq + 1).into();
    agent.beat.seq += 1;
    for field in ["address", "host", "ip", "url", "lan_ip"] {
        said[field] = "10.9.9.9".into();
        said["servers"][0][field] = "http://10.9.9.9:80".into();
    }
    assert_eq!(agent.seal_body(said.to_string().into_bytes()).send(router.address).status, 200);
    answered_by(&router, "studio");
    assert_eq!(node.asked(), 2);
}

#[test]
fn a_machine_that_names_a_wrong_port_is_told_of_and_may_mend_it() {
    let node = Node::start("elsewhere", MODEL);
    let (router, _log) = router(&[]);
    let mut agent = Agent::new("studio").serves(nobody().port(), &["m:1b"]);
    agent.join(router.address);
    until("a request is told that nothing listens there", || {
        let reply = post(router.address, "/api/generate", ASK);
        let is_told = matches!(reply.status, 502 | 503) && reply.error().contains("studio");
        is_told.then_some(())
    });
    let mut mended = Agent::new("studio").serves(node.address.port(), &["m:1b"]);
    (mended.router, mended.beat.session, mended.beat.boot, mended.beat.seq) =
        (agent.router, agent.beat.session.clone(), agent.beat.boot.clone(), agent.beat.seq);
    mended.join(router.address);
    answered_by(&router, "studio");
}

#[test]
fn a_herd_node_serves_at_its_own_address_and_takes_no_work_once_it_drains() {
    let node = Node::start("elsewhere", MODEL);
    let (router, _log) = router(&[]);
    let port = node.address.port();
    let body = format!(
        r#"{{"node_id":"mini","cpu":{{"cores_physical":8,"utilization_pct":3.0}},
        "memory":{{"total_gb":16.0,"used_gb":8.0,"available_gb":8.0}},"ollama_host":"http://10.9.9.9:{port}","lan_ip":"10.9.9.9",
        "ollama":{{"models_available":["m:1b"],"models_available_meta":null,"models_available_sizes":{{"m:1b":1.0}},
        "models_loaded":[{{"name":"m:1b","size_gb":1.0,"context_length":8192}}],"num_parallel":1}}}}"#
    );
    assert_eq!(herd(router.address, &body).status, 200);
    answered_by(&router, "mini");
    assert_eq!(herd(router.address, r#"{"node_id":"mini","draining":true}"#).status, 200);
    until("it takes no new work", || {
        (post(router.address, "/api/generate", ASK).status == 503).then_some(())
    });
    assert_eq!(herd(router.address, &body).status, 200);
    answered_by(&router, "mini");
}

#[test]
fn an_operators_drain_reaches_the_agent_and_is_taken_back() {
    let node = Node::start("elsewhere", MODEL);
    let (router, _log) = router(&[]);
    let mut agent = Agent::new("studio").serves(node.address.port(), &["m:1b"]);
    agent.join(router.address);
    answered_by(&router, "studio");
    let address = router.address.to_string();
    let operate = |what: &str| {
        let done = finished(&["nodes", what, "studio", "--router", &address]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    };
    operate("drain");
    assert_eq!(agent.beat(router.address).reply.commands, [Command::Drain]);
    assert_eq!(agent.beat(router.address).reply.commands, [], "it does");
    assert_eq!(post(router.address, "/api/generate", ASK).status, 503);
    operate("undrain");
    assert_eq!(agent.beat(router.address).reply.commands, [Command::Undrain]);
    assert_eq!(agent.beat(router.address).reply.commands, []);
    answered_by(&router, "studio");
    // One that leaves by itself is not called back.
    agent.beat.draining = true;
    assert_eq!(agent.beat(router.address).reply.commands, []);
}

#[test]
fn an_agent_is_given_a_session_and_a_name_and_beats_on() {
    let (router, log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    let told = agent.beat(router.address);
    assert_eq!((told.status, told.reply.session.len(), told.problem()), (401, 48, ""));
    let told = agent.beat(router.address);
    assert_eq!((told.status, told.reply.name.as_str(), told.reply.interval_ms), (200, "studio", 1_000));
    assert_eq!(told.reply.want_models, [11_434]);
    for _ in 0..5 {
        assert_eq!(agent.beat(router.address).status, 200);
    }
    let line = log.line("its key is pinned");
    assert!(line.contains("\"name\":\"studio\"") && line.contains("\"from\":\"127.0.0.1\""), "{line}");
}

#[test]
fn a_beat_that_was_caught_changes_nothing_wherever_it_is_sent_again() {
    let (router, log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    agent.join(router.address);
    let caught = agent.seal();
    assert_eq!(caught.send(router.address).status, 200);
    for _ in 0..3 {
        let again = caught.send(router.address);
        assert!(again.status == 409 && again.problem().contains("no newer than one"), "{again:?}");
    }
    assert!(log.line("a heartbeat was not taken in").contains("\"code\":\"replayed\""));
    let (other, log) = self::router(&[]);
    let elsewhere = caught.send(other.address);
    assert!(
        elsewhere.status == 421 && elsewhere.problem().contains("which is not this one"),
        "{elsewhere:?}"
    );
    assert!(log.line("a heartbeat was not taken in").contains("\"code\":\"other_router\""));
    agent.restart();
    agent.join(router.address);
    assert_eq!(caught.send(router.address).status, 401, "of a start that ended");
    assert_eq!(agent.beat(router.address).status, 200);
}

#[test]
fn a_session_is_of_use_to_whom_it_was_given() {
    let (router, log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    agent.join(router.address);
    let mut thief = Agent::new("thief");
    thief.router = agent.router;
    thief.beat = agent.beat.clone();
    let stolen = thief.beat(router.address);
    assert_eq!(stolen.status, 401);
    assert_ne!(stolen.reply.session, agent.beat.session);
    // Its name on a beat of somebody else's.
    let mut forged = thief.seal();
    forged.headers[1].1 = agent.key().to_string();
    let told = forged.send(router.address);
    assert!(told.status == 403 && told.problem().starts_with("it is not signed by the key"), "{told:?}");
    assert!(log.line("a heartbeat was not taken in").contains("\"code\":\"forged\""));
    assert_eq!(agent.beat(router.address).status, 200);
}

#[test]
#[cfg(target_os = "linux")]
fn of_two_machines_with_one_key_one_serves_and_the_other_is_told_what_to_do() {
    let (router, log) = router(&[]);
    let mut first = Agent::new("studio").at([127, 0, 0, 2]);
    let mut clone = Agent::new("studio").at([127, 0, 0, 3]);
    first.join(router.address);
    assert_eq!(clone.beat(router.address).status, 401);
    let told = clone.beat(router.address);
    assert!(
        told.status == 409 && told.problem().contains("remove node.key from the state folder"),
        "{told:?}"
    );
    let line = log.line("a heartbeat was not taken in");
    assert!(line.contains("\"code\":\"duplicate_identity\"") && line.contains("127.0.0.2"), "{line}");
    assert_eq!(first.beat(router.address).status, 200);
    // The first one is switched off.
    let told = until("the clone takes its place", || {
        let told = clone.beat(router.address);
        (told.status == 200).then_some(told)
    });
    assert_eq!(told.reply.name, "studio");
    assert_eq!(first.beat(router.address).status, 401, "it would have to ask anew");
}

#[test]
fn a_machine_that_comes_back_with_another_key_is_another_node_and_its_operator_is_told() {
    let (router, log) = router(&[]);
    let node = Node::start("elsewhere", MODEL);
    let mut agent = Agent::new("studio").serves(node.address.port(), &["m:1b"]);
    agent.join(router.address);
    answered_by(&router, "studio");
    let mut other = Agent::with_seed("studio", [9; 32]).serves(nobody().port(), &["m:1b"]);
    other.join(router.address);
    assert_eq!(other.beat(router.address).reply.name, "studio-2");
    let line = log.line("\"code\":\"changed_key\"");
    assert!(line.contains(&agent.key().node().to_string()), "{line}");
    assert!(line.contains("herdwick nodes forget studio; if not, somebody speaks in its place"), "{line}");
    assert_eq!(agent.beat(router.address).reply.name, "studio");
}

#[test]
fn an_agent_that_restarts_is_back_at_once() {
    let (router, _log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    for _ in 0..3 {
        agent.join(router.address);
        agent.restart();
    }
}

#[test]
fn what_breaks_a_rule_is_refused_in_words_and_throws_nobody_out() {
    let (router, log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    agent.join(router.address);
    let body = serde_json::to_string(&agent.beat).expect("a beat is JSON");
    let send = |body: String| agent.seal_body(body.into_bytes()).send(router.address);
    let listed = format!("\"models\":[{}],\"models_hash\"", vec![r#"{"name":"m"}"#; 10_000].join(","));
    let long = format!("\"models\":[{{\"name\":\"{}\"}}],\"models_hash\"", "x".repeat(4_096));
    for (body, told) in [
        (body.replacen("\"seq\"", "\"x\":NaN,\"seq\"", 1), "expected value at line 1"),
        (body.replacen("1000000000", "-5", 1), "invalid value: integer `-5`"),
        (body.replacen("\"models_hash\"", &listed, 1), "there are 10000; 800 are taken"),
        (body.replacen("\"models_hash\"", &long, 1), "it is longer than 200 characters; leave it out"),
        (body.replacen("11434", "0", 1), "servers[0].port: 0 is no port"),
        (body.replacen("1000,", "0,", 1), "interval_ms: 0; beat every"),
        (body[..body.len() / 2].to_owned(), "EOF while parsing"),
    ] {
        let found = send(body);
        assert!(found.status == 400 && found.problem().contains(told), "{told}: {found:?}");
    }
    let line = log.line("a heartbeat was not taken in");
    assert!(line.contains("\"code\":\"broken\"") && line.contains("\"from\":\"127.0.0.1\""), "{line}");
    // A megabyte is not even read.
    let mut client = Client::connect(router.address);
    client.raw(b"POST /fleet/v1/beat HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1048576\r\n\r\n");
    let reply = client.reply();
    assert!(
        reply.status == 413 && reply.error().contains("larger than 256 KiB; use an agent"),
        "{}",
        reply.text()
    );
    assert_eq!(agent.beat(router.address).status, 200);
}

#[test]
fn pages_proxies_and_other_methods_send_no_heartbeats() {
    let (router, log) = router(&[]);
    let json = ("content-type", "application/json");
    for (headers, status, told) in [
        (&[("content-type", "text/plain")][..], 415, "send JSON"),
        (
            &[json, ("x-forwarded-for", "10.0.0.9")],
            403,
            "behind a proxy nobody can tell where its machine is",
        ),
        (&[json, ("user-agent", "Mozilla/5.0")], 403, "pages in a browser send none; run `herdwick node`"),
        (&[json, ("origin", "http://evil.example")], 403, "may not ask the router"),
    ] {
        for path in ["/fleet/v1/beat", "/heartbeat"] {
            let mut client = Client::connect(router.address);
            client.send("POST", path, headers, b"{}");
            let reply = client.reply();
            assert!(
                reply.status == status && reply.error().contains(told),
                "{path} {headers:?}: {}",
                reply.text()
            );
        }
    }
    let mut client = Client::connect(router.address);
    client.send("GET", "/fleet/v1/beat", &[], b"");
    assert_eq!(client.reply().status, 405);
    end(router);
    let lines: Vec<_> =
        log.rest().into_iter().filter(|line| line.contains("\"client\":\"127.0.0.1\"")).collect();
    // One for each reason, of eight refusals and a method.
    let told =
        |code: &str| lines.iter().filter(|line| line.contains(&format!("\"ending\":\"{code}\""))).count();
    let codes = ["unsupported_media_type", "forbidden", "origin_not_allowed", "method_not_allowed"];
    assert_eq!(codes.map(told), [1, 1, 1, 1], "{lines:?}");
}

#[test]
fn a_flood_is_turned_away_before_it_is_read_and_slowed_down_and_the_log_stays_short() {
    let (router, log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    agent.join(router.address);
    // Many connections, since each has one beat at a time.
    let mut clients: Vec<_> = (0..120).map(|_| Client::connect(router.address)).collect();
    let mut turned_away = 0;
    for _ in 0..2 {
        let began = Instant::now();
        let json = ("content-type", "application/json");
        clients.iter_mut().for_each(|client| client.send("POST", "/fleet/v1/beat", &[json], b"{}"));
        let turned =
            clients.iter_mut().filter_map(|client| (client.reply().status == 429).then_some(())).count();
        turned_away += turned;
        assert!(
            turned == 0 || began.elapsed() >= Duration::from_secs(1),
            "whoever is turned away is held up"
        );
    }
    assert!(turned_away >= 50, "{turned_away} of 240");
    until("its address is heard again", || (agent.beat(router.address).status == 200).then_some(()));
    end(router);
    let told = log.rest().iter().filter(|line| line.contains("a heartbeat was not taken in")).count();
    assert_eq!(told, 2, "one line for those without a seal, one for those too many");
}

#[test]
fn no_clock_is_asked_and_none_is_believed() {
    let (router, _log) = router(&[]);
    let mut agent = Agent::new("studio").serves(11_434, &["m:1b"]);
    // The only times that an agent passes on, a day off and nonsense.
    for expires in ["1999-12-31T23:59:59Z", "2999-01-01T00:00:00Z", "yesterday", ""] {
        agent.beat.servers[0].resident[0].expires_at = expires.to_owned();
        agent.join(router.address);
    }
    let said = serde_json::to_value(&agent.beat).expect("a beat is JSON");
    let fields: Vec<_> = said.as_object().expect("an object").keys().cloned().collect();
    let known = [
        "boot",
        "draining",
        "interval_ms",
        "name",
        "other_routers",
        "readings",
        "seq",
        "servers",
        "session",
        "version",
    ];
    assert_eq!(fields, known, "none of them is a time");
}

#[test]
fn a_router_is_the_same_after_a_restart_and_its_key_is_its_own() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("key-{}", std::process::id()));
    let state = folder.to_string_lossy().into_owned();
    let mut agent = Agent::new("studio");
    let met = |agent: &mut Agent| {
        let (router, _log) = router(&["--state-dir", &state]);
        assert_eq!(agent.beat(router.address).status, 401, "of the router before there is no session");
        assert_eq!(agent.beat(router.address).status, 200);
        end(router);
        agent.router.expect("it met a router")
    };
    let first = met(&mut agent);
    assert_eq!(met(&mut agent), first);
    let file = folder.join("router.key");
    assert_eq!(std::fs::metadata(&file).expect("it is kept").len(), 32);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let set = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("it is ours")
        };
        assert_eq!(std::fs::metadata(&file).expect("it is kept").permissions().mode() & 0o777, 0o600);
        set(0o644);
        let (router, log) = router(&["--state-dir", &state]);
        let line = log.line("others may read");
        assert!(line.contains("chmod 600"), "{line}");
        end(router);
    }
    std::fs::write(&file, b"half").expect("it is ours");
    let failed = finished(&["serve", "--listen", "127.0.0.1:0", "--state-dir", &state]);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.stderr.contains("router.key is no key: it has 4 bytes, and a key has 32"),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("\nnext:  put back a copy of it; or remove it"), "{}", failed.stderr);
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn a_herd_node_is_answered_as_its_own_router_would() {
    let (router, log) = router(&[]);
    let body = |rest: &str| {
        format!(
            r#"{{"node_id":"mini","arch":"apple_silicon","timestamp":1.5,"cpu":{{"cores_physical":8,"utilization_pct":3.0}},
            "memory":{{"total_gb":16.0,"used_gb":8.0,"available_gb":8.0}},"ollama":{{"models_available":["a:1b"]}},
            "ollama_host":"http://10.9.9.9:11434","agent_version":"0.8.1"{rest}}}"#
        )
    };
    for _ in 0..3 {
        let reply = herd(router.address, &body(""));
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"status":"ok","node_status":"online"}"#));
    }
    let leaves = herd(router.address, r#"{"node_id":"mini","draining":true}"#);
    assert_eq!((leaves.status, leaves.text().as_str()), (200, r#"{"node_id":"mini","status":"draining"}"#));
    let broken = herd(router.address, r#"{"node_id":"mini","cpu":null}"#);
    assert!(
        broken.status == 400 && broken.error().contains("memory: it is not there; use"),
        "{}",
        broken.text()
    );
    assert!(log.line("a heartbeat was not taken in").contains("\"code\":\"broken\""));
    let own = body("").replace("11434", &router.address.port().to_string());
    let itself = herd(router.address, &own);
    assert!(itself.status == 400 && itself.error().contains("is the router's own"), "{}", itself.text());
}

/// Ends the router as its operator does.
fn end(router: Router) {
    let id = router.id();
    let told = std::process::Command::new("sh").args(["-c", &format!("kill {id}")]).status();
    assert!(told.is_ok_and(|status| status.success()));
    assert_eq!(router.ended(), Some(0));
}
