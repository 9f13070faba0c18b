//! What one client or one node must not be able to do to the others: hold up their second tries, make a backend's life
//! harder for being busy, keep a slot that is not used, hang them behind an answer that is over.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Client, Node, Router, get, post};

const MODEL: &str = "m:1b,resident,first_token=1ms,token=1ms,tokens=3";
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}]}"#;
const WHOLE: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"stream":false}"#;
const BUSY: &str =
    r#"{"status":{"code":503,"body":"server busy, please try again.  maximum pending requests exceeded"}}"#;

/// A router whose requests wait so long at most.
fn router(nodes: &[&Node], wait: &str) -> Router {
    let specs: Vec<_> = nodes.iter().map(|node| node.spec(8)).collect();
    let (router, _log) = Router::start_logged(&specs, &[], &[("HERDWICK_ROUTING__WAIT_MAX", wait)]);
    router.knows("m:1b")
}

fn repeat(verb: &str, times: usize) -> String {
    format!("[{}]", vec![verb; times].join(","))
}

#[test]
fn a_busy_model_holds_up_nobody_elses_second_try() {
    let busy = Node::start("busy", &["--slots", "8", "--model", "b:1b,resident"]);
    let small = format!("{MODEL},bytes=1GB");
    let large = format!("{MODEL},bytes=40GB");
    let one = Node::start("one", &["--slots", "8", "--model", &small]);
    let two = Node::start("two", &["--slots", "8", "--model", &large]);
    let router = router(&[&busy, &one, &two], "20s").knows("b:1b");
    busy.script(&repeat(BUSY, 400));
    let ask_busy = ASK.replace("m:1b", "b:1b");
    let waiting: Vec<_> = (0..6)
        .map(|_| {
            let mut client = Client::connect(router.address);
            client.send("POST", "/api/chat", &[], ask_busy.as_bytes());
            client
        })
        .collect();
    busy.wait("requests=3");
    // More than the budget allows at once are being tried again all the time; the others still get their turn.
    for _ in 0..5 {
        one.script(r#"[{"fin":{"after":0}}]"#);
        let began = Instant::now();
        let reply = post(router.address, "/api/chat", ASK);
        assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{}", reply.text());
        assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    }
    drop(waiting);
}

#[test]
fn a_node_that_says_that_it_is_busy_is_asked_ever_more_seldom() {
    let node = Node::start("studio", &["--slots", "8", "--model", MODEL]);
    let router = router(&[&node], "5s");
    node.script(&repeat(BUSY, 400));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn({
                let address = router.address;
                move || post(address, "/api/chat", ASK)
            })
        })
        .collect();
    for client in clients {
        let reply = client.join().expect("it ends");
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    }
    // Eight clients wait five seconds: at 0, 0.25, 0.75, 1.75, 3.75 s somebody looks again, and a few at once at first.
    let asked = node.asked();
    println!("8 requests that waited 5 s for a busy node asked it {asked} times");
    assert!(asked <= 20, "{asked} requests reached a node that said that it has too much to do");
}

#[test]
fn what_is_over_keeps_no_slot_and_is_not_taken_back() {
    let last = "{\"model\":\"m:1b\",\"done\":true,\"done_reason\":\"stop\"}\n";
    // The last frame is here, and the body does not end: its connection breaks, or nothing more comes.
    for breaks in [true, false] {
        let node = raw_node(move |mut stream, _| {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("{head}{:x}\r\n{last}\r\n", last.len());
            stream.write_all(chunk.as_bytes()).expect("the router reads");
            if !breaks {
                // Until the router hangs up.
                let _ = stream.read(&mut [0; 1]);
            }
        });
        let router = Router::start(&[format!("raw=http://{},slots=1", node.address)], &[]).knows("m:1b");
        let mut first = Client::connect(router.address);
        first.send("POST", "/api/chat", &[], ASK.as_bytes());
        let mut answer = first.begin();
        assert_eq!(answer.piece(), Some(Ok(last.as_bytes().to_vec())), "{breaks}");
        if breaks {
            assert_eq!(answer.piece(), None, "a complete answer stays one");
        }
        let mut second = Client::connect(router.address);
        second.send("POST", "/api/chat", &[], ASK.as_bytes());
        assert_eq!(second.begin().head.status, 200, "the only slot is free");
    }
}

#[test]
fn an_answer_that_came_before_the_request_was_read_hangs_nobody() {
    // Answers after the head and reads no more.
    let node = raw_node(|mut stream, _| {
        let body = "{\"error\":\"no\"}";
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).expect("the router reads");
        // Until the router hangs up, or the test ends.
        std::thread::park();
    });
    let router = Router::start(&[format!("raw=http://{},slots=4", node.address)], &[]).knows("m:1b");
    let large = format!(r#"{{"model":"m:1b","prompt":"{}"}}"#, "x".repeat(12 << 20));
    assert_eq!(post(router.address, "/api/generate", &large).status, 400);
    assert_eq!(post(router.address, "/api/generate", &large).status, 400, "over a connection of its own");
    assert_eq!(node.asked(), 2);
}

#[test]
fn a_long_answer_that_nothing_says_is_complete_does_not_end_as_if_it_were() {
    let node = raw_node(|mut stream, head| {
        hear(&mut stream, head);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":\"";
        stream.write_all(head.as_bytes()).expect("the router reads");
        // Half of something long; then the connection ends, which is all that frames it.
        stream.write_all(&vec![b'x'; 9 << 20]).expect("the router reads");
    });
    let router = Router::start(&[format!("raw=http://{},slots=1", node.address)], &[]).knows("m:1b");
    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], WHOLE.as_bytes());
    assert!(client.begin().finish().is_err(), "it breaks off");
}

#[test]
fn a_long_error_is_passed_on_whole_and_tried_nowhere_else() {
    let text = format!(
        "invalid format: {}; expected \\\"json\\\" or a valid JSON Schema object",
        "x".repeat(300_000)
    );
    let body = format!("{{\"error\":\"{text}\"}}");
    let answer = body.clone();
    let node = raw_node(move |mut stream, head| {
        hear(&mut stream, head);
        let head = format!(
            "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(answer.as_bytes()))
            .expect("the router reads");
    });
    let router = Router::start(&[format!("raw=http://{},slots=1", node.address)], &[]).knows("m:1b");
    let reply = post(router.address, "/api/chat", WHOLE);
    assert_eq!((reply.status, reply.text()), (500, body));
    assert_eq!(node.asked(), 1);
}

#[test]
fn that_a_model_is_missing_is_final_only_if_everybody_says_so() {
    let small = format!("{MODEL},bytes=1GB");
    let large = format!("{MODEL},bytes=40GB");
    let one = Node::start("one", &["--slots", "2", "--model", &small]);
    let two = Node::start("two", &["--slots", "2", "--model", &large]);
    let router = router(&[&one, &two], "20s");
    one.script(r#"[{"status":{"code":404,"body":"model 'm:1b' not found"}}]"#);
    two.script(r#"[{"fin":{"after":0}}]"#);
    let reply = post(router.address, "/api/chat", ASK);
    assert_eq!((reply.status, reply.header("x-herdwick-error")), (502, "node_failed"), "{}", reply.text());
    assert!(reply.error().contains("one: ") && reply.error().contains("two: "), "{}", reply.error());
}

#[test]
fn the_time_that_a_node_took_to_fail_is_no_time_that_a_request_waited() {
    let small = format!("{MODEL},bytes=1GB");
    let large = format!("{MODEL},bytes=40GB");
    let one = Node::start("one", &["--slots", "1", "--model", &small]);
    let two = Node::start("two", &["--slots", "1", "--model", &large]);
    let specs = [one.spec(1), two.spec(1)];
    let (router, _log) = Router::start_logged(&specs, &[], &[("HERDWICK_ROUTING__WAIT_MAX", "2s")]);
    let router = router.knows("m:1b");
    // The first node thinks for three seconds and dies; meanwhile the second is full, and will be for half a second yet.
    one.script(r#"[{"ok":{"ttft_ms":600000}}]"#);
    two.script(r#"[{"ok":{"ttft_ms":3500}}]"#);
    let mut first = Client::connect(router.address);
    first.send("POST", "/api/chat", &[], ASK.as_bytes());
    one.wait("running=1");
    let mut second = Client::connect(router.address);
    second.send("POST", "/api/chat", &[], ASK.as_bytes());
    two.wait("running=1");
    // sleeps because that it took longer than a request may wait is what is tried
    std::thread::park_timeout(Duration::from_secs(3));
    one.kill();
    assert_eq!(second.reply().status, 200);
    let reply = first.reply();
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{}", reply.text());
}

#[test]
fn facts_about_a_model_are_had_from_whoever_answers() {
    let answering = Node::start("two", &["--slots", "1", "--model", MODEL]);
    // Listed first, and silent when it is asked.
    let silent = raw_node(|mut stream, _| {
        let _ = stream.read(&mut [0; 1]);
    });
    let nodes = [format!("one=http://{},slots=1", silent.address), answering.spec(1)];
    let router = Router::start(&nodes, &[]).knows("m:1b");
    let reply = post(router.address, "/api/show", r#"{"model":"m:1b"}"#);
    assert_eq!((reply.status, reply.header("x-herdwick-node")), (200, "two"), "{}", reply.text());
}

/// A node that answers polls and leaves everything else to a function: the socket behind the request's head, and the
/// head.
struct RawNode {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl RawNode {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn raw_node(answer: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> RawNode {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
            std::thread::spawn(move || one_connection(stream, &count, &*answer));
        }
    });
    RawNode { address, asked }
}

fn one_connection(mut stream: TcpStream, asked: &AtomicUsize, answer: &dyn Fn(TcpStream, &str)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let told = match head.split(' ').nth(1) {
        Some("/api/version") => r#"{"version":"0.12.6"}"#,
        Some("/api/tags") => r#"{"models":[{"name":"m:1b","size":1,"digest":"d"}]}"#,
        Some("/api/ps") => r#"{"models":[{"name":"m:1b","size":1,"size_vram":1}]}"#,
        _ => {
            asked.fetch_add(1, Ordering::SeqCst);
            return answer(stream, &head);
        }
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{told}",
        told.len()
    );
    // A router that ended meanwhile hears nothing.
    let _ = stream.write_all(answer.as_bytes());
}

/// Reads the body behind this head: whoever closes on unread bytes resets the connection.
fn hear(stream: &mut TcpStream, head: &str) {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().and_then(|(_, length)| length.trim().parse().ok()).unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).expect("the router sends what it announces");
}

#[test]
fn a_raw_node_is_seen_as_one() {
    let node = raw_node(|_, _| {});
    let router = Router::start(&[format!("raw=http://{},slots=1", node.address)], &[]).knows("m:1b");
    assert!(get(router.address, "/api/ps").text().contains("raw"));
}
