//! Many clients, slow clients, large clients: each of them costs only itself, and the next one is served.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::{Client, Node, Router, get, post, until};

const MODEL: &[&str] = &["--slots", "64", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"stream":false}"#;
const MIB: usize = 1 << 20;

fn fleet(variables: &[(&str, &str)]) -> (Node, Router) {
    let node = Node::start("studio", MODEL);
    let (router, _log) = Router::start_logged(&[node.spec(64)], &[], variables);
    (node, router.knows("m:1b"))
}

/// Memory that a process has, in bytes, where the system tells.
fn memory(process: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<usize>().ok().map(|kib| kib << 10)
}

/// Time that a process has computed, where the system tells.
fn computed(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // User and system time in ticks, of which every Linux has 100 in a second.
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// A body of this many bytes, all told.
fn body(bytes: usize) -> String {
    let (head, tail) =
        (r#"{"model":"m:1b","stream":false,"messages":[{"role":"user","content":""#, r#""}]}"#);
    format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()))
}

fn head(bytes: usize) -> String {
    format!("POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n")
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_idle_clients_cost_little_and_the_next_one_waits_for_a_place() {
    const IDLE: usize = 10_000;
    // The test needs as many handles as the router; where the system has fewer, the crowd is smaller.
    let handles = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let crowd = handles.map_or(IDLE, |handles| IDLE.min(handles.saturating_sub(500) as usize * 3 / 5));
    let (_node, router) = fleet(&[("HERDWICK_LIMITS__CONNECTIONS", &crowd.to_string())]);
    let before = memory(router.id()).expect("Linux tells");
    let mut idle: Vec<Client> = Vec::new();
    // One place is left for those who measure.
    for _ in 1..crowd {
        let mut client = Client::connect(router.address);
        client.raw(b"GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n");
        idle.push(client);
    }
    for client in &mut idle {
        assert_eq!(client.reply().status, 200);
    }
    let after = memory(router.id()).expect("Linux tells");
    let mut last = Client::connect(router.address);
    let mut delays: Vec<Duration> = (0..500)
        .map(|_| {
            let asked = Instant::now();
            last.raw(b"GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n");
            assert_eq!(last.reply().status, 200);
            asked.elapsed()
        })
        .collect();
    delays.sort();
    let p99 = delays[delays.len() * 99 / 100];
    let each = after.saturating_sub(before) / crowd;
    println!(
        "{crowd} idle clients: {each} bytes each, /api/version p50 {:?} p99 {p99:?}",
        delays[delays.len() / 2]
    );
    assert!(after.saturating_sub(before) < 200 * MIB * crowd / IDLE, "{each} bytes each");
    assert!(p99 < Duration::from_millis(200), "{p99:?}");
    // One too many: it waits, and comes in when somebody goes.
    let mut late = Client::connect(router.address);
    late.raw(b"GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n");
    last.raw(b"GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(last.reply().status, 200);
    assert!(!late.has_something(), "there is no place for it");
    drop(idle.pop());
    assert_eq!(late.reply().status, 200);
}

#[test]
fn a_slow_head_is_given_up_and_an_idle_connection_is_not() {
    let (_node, router) =
        fleet(&[("HERDWICK_LIMITS__HEADER_TIMEOUT", "1s"), ("HERDWICK_LIMITS__IDLE_TIMEOUT", "4s")]);
    let began = Instant::now();
    let mut silent = Client::connect(router.address);
    let mut slow = Client::connect(router.address);
    slow.raw(b"POST /api/chat HTTP/1.1\r\nhost: loc");
    let mut idle = Client::connect(router.address);
    idle.send("GET", "/api/version", &[], b"");
    assert_eq!(idle.reply().status, 200);
    let answered = Instant::now();
    let mut second = Client::connect(router.address);
    second.send("GET", "/api/version", &[], b"");
    assert_eq!(second.reply().status, 200);
    second.raw(b"GET /api/version HT");
    for (client, what) in
        [(&mut silent, "silent"), (&mut slow, "slow"), (&mut second, "slow the second time")]
    {
        assert!(client.is_closed(), "{what}");
        let took = began.elapsed();
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(4), "{what}: {took:?}");
    }
    idle.send("GET", "/api/version", &[], b"");
    assert_eq!(idle.reply().status, 200, "an idle connection is still there");
    assert!(idle.is_closed());
    assert!(answered.elapsed() > Duration::from_secs(4), "{:?}", answered.elapsed());
}

#[test]
fn a_slow_body_is_given_up_also_one_that_trickles() {
    let (node, router) = fleet(&[("HERDWICK_LIMITS__BODY_TIMEOUT", "1s")]);
    let mut stalled = Client::connect(router.address);
    stalled.raw(head(1_000).as_bytes());
    stalled.raw(b"{");
    let mut trickling = TcpStream::connect(router.address).expect("the router listens");
    trickling.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket takes a timeout");
    trickling.write_all(head(1_000).as_bytes()).expect("it reads");
    let began = Instant::now();
    // A byte whenever nothing was said for a while.
    let said = until("a trickling body is given up", || {
        let mut said = [0; 12];
        trickling.write_all(b" ").ok()?;
        trickling.read_exact(&mut said).ok().map(|()| said)
    });
    println!("a trickling body was given up after {:?}", began.elapsed());
    assert_eq!(&said, b"HTTP/1.1 408", "a byte now and then is no progress");
    let reply = stalled.reply();
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (408, "body_timeout"));
    assert_eq!(reply.header("connection"), "close");
    assert!(stalled.is_closed());
    assert_eq!(node.asked(), 0);
}

#[test]
fn a_client_that_does_not_read_holds_up_only_its_own_stream() {
    const SLOW: usize = 8;
    let (node, router) = fleet(&[]);
    let stream = r#"{"ok":{"n":200000,"ttft_ms":1,"itl_ms":0}}"#;
    node.script(&format!("[{}]", [stream; SLOW].join(",")));
    let before = memory(router.id());
    let slow: Vec<Client> = (0..SLOW)
        .map(|_| {
            let mut client = Client::connect(router.address);
            client.send("POST", "/api/chat", &[], ASK.replace("false", "true").as_bytes());
            client
        })
        .collect();
    let sent = || -> u64 {
        let log = node.log();
        let entries = log.as_array().expect("its log is a list").iter();
        entries
            .filter(|entry| entry["inference"] == true)
            .filter_map(|entry| entry["bytes_sent"].as_u64())
            .sum()
    };
    let mut last = 0;
    until("the node is held up", || {
        // sleeps because that nothing more is sent shows only in time
        std::thread::park_timeout(Duration::from_millis(500));
        let now = sent();
        let stands = now == last && now > 0;
        last = now;
        stands.then_some(())
    });
    if let (Some(before), Some(after)) = (before, memory(router.id())) {
        let each = after.saturating_sub(before) / SLOW;
        println!(
            "{SLOW} clients that do not read: {each} bytes of the router each, {} sent to each",
            last / SLOW as u64
        );
        assert!(each < 256 << 10, "{each} bytes each");
    }
    let asked = Instant::now();
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200);
    println!("beside them an answer took {:?}", asked.elapsed());
    drop(slow);
    node.wait(&format!("closed={SLOW}"));
}

#[test]
fn bodies_are_bounded_all_together_and_count_until_their_answer_is_there() {
    let (node, router) =
        fleet(&[("HERDWICK_LIMITS__BODIES_TOTAL", "8 MiB"), ("HERDWICK_LIMITS__BODY", "4 MiB")]);
    // Three times 2 MiB are on their way, not all of them.
    let mut coming: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = Client::connect(router.address);
            client.raw(head(2 * MIB + 10).as_bytes());
            client.raw(&body(2 * MIB + 10).as_bytes()[..2 * MIB]);
            client
        })
        .collect();
    // And one that is here, whose answer is not.
    node.script(r#"[{"silent":{}}]"#);
    let mut waiting = Client::connect(router.address);
    waiting.send("POST", "/api/chat", &[], body(MIB).as_bytes());
    node.wait("running=1");
    let refused = until("there is no more room", || {
        let reply = post(router.address, "/api/chat", &body(MIB + MIB / 2));
        (reply.status != 200).then_some(reply)
    });
    assert_eq!(
        (refused.status, refused.header("x-herdwick-error")),
        (503, "queue_full"),
        "{}",
        refused.text()
    );
    assert_eq!((refused.header("retry-after"), refused.header("connection")), ("5", "close"));
    assert!(refused.error().contains("limits.bodies_total"), "{}", refused.error());
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "a small one fits");
    drop(waiting);
    node.wait("closed=1");
    assert_eq!(post(router.address, "/api/chat", &body(MIB + MIB / 2)).status, 200, "there is room again");
    for client in &mut coming {
        client.raw(&body(2 * MIB + 10).as_bytes()[2 * MIB..]);
        assert_eq!(client.reply().status, 200);
    }
    for _ in 0..4 {
        assert_eq!(post(router.address, "/api/chat", &body(4 * MIB)).status, 200, "all room came back");
    }
}

#[test]
fn a_client_that_sends_too_much_reads_why_also_while_it_sends() {
    let (node, router) = fleet(&[("HERDWICK_LIMITS__BODY", "1 MiB")]);
    let large = body(24 * MIB);
    for _ in 0..3 {
        let reply = post(router.address, "/api/chat", &large);
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (413, "body_too_large"));
        let mut client = Client::connect(router.address);
        client.raw(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
        client.raw(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()).as_bytes());
        assert_eq!(client.reply().status, 413);
    }
    assert_eq!(node.asked(), 0);
}

#[test]
fn a_body_in_pieces_of_one_byte_costs_no_more_than_its_bytes() {
    let (node, router) = fleet(&[]);
    let whole = body(MIB / 2);
    let pieces: String = whole.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let asked = Instant::now();
    let mut client = Client::connect(router.address);
    client.raw(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    client.raw(format!("{pieces}0\r\n\r\n").as_bytes());
    assert_eq!(client.reply().status, 200);
    println!("half a MiB in pieces of one byte took {:?}", asked.elapsed());
    let log = node.log();
    // What the router says in its client's place are a few words.
    let arrived = whole.len() as u64..whole.len() as u64 + 64;
    let mut lengths = log.as_array().expect("a list").iter().map(|entry| &entry["body_length"]);
    assert!(lengths.any(|length| length.as_u64().is_some_and(|length| arrived.contains(&length))));
}

#[test]
#[cfg(target_os = "linux")]
fn with_few_file_handles_those_who_are_served_are_served_and_the_others_wait() {
    let node = Node::start("studio", MODEL);
    let router = Router::start_after("ulimit -n 128", &[node.spec(64)]).knows("m:1b");
    node.script(r#"[{"ok":{"n":100000,"itl_ms":5}}]"#);
    let mut stream = Client::connect(router.address);
    stream.send("POST", "/api/chat", &[], ASK.replace("false", "true").as_bytes());
    let mut answer = stream.begin();
    let mut crowd: Vec<Client> = (0..300).map(|_| Client::connect(router.address)).collect();
    let (began, before) = (Instant::now(), computed(router.id()).expect("Linux tells"));
    for _ in 0..200 {
        assert!(answer.piece().is_some_and(|piece| piece.is_ok()), "a stream goes on");
    }
    let spent = computed(router.id()).expect("Linux tells") - before;
    println!("with no handle left the router computed {spent:?} in {:?}", began.elapsed());
    assert!(spent < began.elapsed() / 2, "it does not spin: {spent:?}");
    crowd.truncate(1);
    assert_eq!(post(router.address, "/api/chat", ASK).status, 200, "there is room again");
}

/// An address of this machine that is not its loopback one, if it has one. Nothing is sent for this.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn one_client_of_the_network_has_only_so_many_connections() {
    // On a machine without a network there is no client of one.
    let Some(own) = own_address() else { return };
    let node = Node::start("studio", MODEL);
    let variables = [("HERDWICK_LIMITS__CONNECTIONS_PER_CLIENT", "4")];
    let (router, _log) = Router::start_logged(&[node.spec(64)], &["--listen", "0.0.0.0:0"], &variables);
    let router = router.knows("m:1b");
    let from_the_network = SocketAddr::from((own, router.address.port()));
    // Its own network is near, whatever its addresses are.
    let mut held: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = Client::connect(from_the_network);
            client.send("GET", "/api/version", &[], b"");
            assert_eq!(client.reply().status, 200);
            client
        })
        .collect();
    let mut fifth = Client::connect(from_the_network);
    let reply = fifth.reply();
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (503, "too_many_connections"));
    assert!(reply.error().contains("limits.connections_per_client"), "{}", reply.error());
    assert!(fifth.is_closed());
    assert_eq!(get(router.address, "/api/version").status, 200, "programs on this machine are not counted");
    held.pop();
    until("its place is free", || {
        let mut client = Client::connect(from_the_network);
        client.send("GET", "/admin/v1/plugins", &[], b"");
        let reply = client.reply();
        (reply.header("x-herdwick-error") == "forbidden").then_some(())
    });
}
