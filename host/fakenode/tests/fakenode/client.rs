//! A raw HTTP client: it sees every byte, and it can tell silence from slowness.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fakenode::{FakeNode, ModelSpec, NodeSpec};
use serde_json::{Value, json};

/// Nothing in these tests takes longer; a read that does is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    stream: TcpStream,
    seen: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Rst,
}

/// A whole answer that was read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }
}

impl Client {
    pub(crate) fn connect(node: &FakeNode) -> Client {
        let stream = TcpStream::connect(node.addr()).expect("the node accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client { stream, seen: Vec::new() }
    }

    /// Connects and sends a POST.
    pub(crate) fn post(node: &FakeNode, path: &str, body: &Value) -> Client {
        let mut client = Client::connect(node);
        client.send_post(path, body);
        client
    }

    pub(crate) fn send_post(&mut self, path: &str, body: &Value) {
        let body = body.to_string();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    pub(crate) fn send(&mut self, raw: &str) {
        self.stream.write_all(raw.as_bytes()).expect("the node reads");
    }

    /// Whether nothing has arrived so far, not even an end.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("non-blocking");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("blocking");
        self.seen.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The next head, its blank line included.
    pub(crate) fn head(&mut self) -> String {
        let text = self.until(b"\r\n\r\n");
        String::from_utf8(text).expect("an ASCII head")
    }

    /// The next chunk of a chunked body; `None` is its proper end.
    pub(crate) fn chunk(&mut self) -> Option<String> {
        let line = String::from_utf8(self.until(b"\r\n")).expect("a size");
        let size = usize::from_str_radix(line.trim_end(), 16).expect("a hexadecimal size");
        let mut payload = self.exactly(size + 2);
        assert_eq!(payload.split_off(size), b"\r\n", "a chunk ends with CRLF");
        (size > 0).then(|| String::from_utf8(payload).expect("UTF-8"))
    }

    /// A complete answer, whichever framing it has.
    pub(crate) fn reply(&mut self) -> Reply {
        let head = self.head();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let body = match length {
            Some(length) => {
                String::from_utf8(self.exactly(length.parse().expect("a length"))).expect("UTF-8")
            }
            None if head.contains("chunked") => std::iter::from_fn(|| self.chunk()).collect(),
            None => String::from_utf8(self.rest().0).expect("UTF-8"),
        };
        Reply { status, head, body }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let end = loop {
            match self.fill() {
                Ok(0) => break End::Fin,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Rst,
                Err(error) => panic!("neither bytes nor an end: {error}"),
            }
        };
        (std::mem::take(&mut self.seen), end)
    }

    pub(crate) fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.seen.windows(mark.len()).position(|window| window == mark) {
                return self.take(at + mark.len());
            }
            self.must_fill();
        }
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.seen.len() < length {
            self.must_fill();
        }
        self.take(length)
    }

    fn must_fill(&mut self) {
        match self.fill() {
            Ok(0) => panic!("ended after {:?}", String::from_utf8_lossy(&self.seen)),
            Ok(_) => {}
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.seen)),
        }
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        let mut piece = [0; 65_536];
        let got = self.stream.read(&mut piece)?;
        self.seen.extend_from_slice(&piece[..got]);
        Ok(got)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.seen.split_off(length);
        std::mem::replace(&mut self.seen, rest)
    }
}

/// One POST on a connection of its own.
pub(crate) fn post(node: &FakeNode, path: &str, body: &Value) -> Reply {
    Client::post(node, path, body).reply()
}

/// One GET (or another method without a body) on a connection of its own.
pub(crate) fn get(node: &FakeNode, method: &str, path: &str) -> Reply {
    let mut client = Client::connect(node);
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
    client.reply()
}

/// A hot, instant model `m` that says four tokens.
pub(crate) fn quick() -> ModelSpec {
    let instant = Duration::ZERO;
    ModelSpec::new("m").resident(true).load(instant).first_token(instant).token(instant).tokens(4)
}

/// A node with that one model.
pub(crate) fn quick_node() -> FakeNode {
    node(NodeSpec::new("test").model(quick()))
}

pub(crate) fn node(spec: NodeSpec) -> FakeNode {
    FakeNode::start(spec).expect("a free port")
}

/// A chat body for this model.
pub(crate) fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "How are the sheep today?" }] })
}
