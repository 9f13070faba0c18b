//! A plain HTTP/1.1 client on a blocking socket. It reads frame by frame, so that a test can look at an answer
//! while it is being made, and says so when an answer breaks off.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(have, _)| have == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The text of an error in Ollama's shape.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error has a text").to_owned()
    }
}

/// `GET` on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    let mut client = Client::connect(address);
    client.send("GET", path, &[], b"");
    client.reply()
}

/// `POST` of JSON on a connection of its own.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Reply {
    let mut client = Client::connect(address);
    client.send("POST", path, &[], body.as_bytes());
    client.reply()
}

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// What of an answer's body is still to come.
enum Rest {
    Length(usize),
    Chunks,
    Over,
}

/// An answer of which only the head is here.
pub(crate) struct Begun<'a> {
    client: &'a mut Client,
    pub(crate) head: Reply,
    rest: Rest,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).expect("somebody listens"))
    }

    /// From an address of this machine; Linux has all of 127.0.0.0/8.
    pub(crate) fn connect_from(from: IpAddr, address: SocketAddr) -> Self {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("somebody listens");
        Self::of(socket.into())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        // Head and body are two writes, of which the second would wait for the first one's acknowledgement.
        stream.set_nodelay(true).expect("a socket takes the option");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a request with a body of known length.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.raw(head.as_bytes());
        self.raw(body);
    }

    /// Sends these bytes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the other side still reads");
    }

    /// Sends these bytes to somebody who may have closed already.
    pub(crate) fn try_raw(&mut self, bytes: &[u8]) {
        // Whether it did shows in what it answers.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Says that nothing more will be sent, as a client does that ends; the other direction stays open.
    pub(crate) fn close_its_side(&self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(self.stream.get_ref());
        socket.set_linger(Some(Duration::ZERO)).expect("a socket takes the option");
    }

    /// Reads a whole answer.
    pub(crate) fn reply(&mut self) -> Reply {
        self.begin().finish().expect("the answer is whole")
    }

    /// Reads an answer's head.
    pub(crate) fn begin(&mut self) -> Begun<'_> {
        let first = self.line().expect("an answer begins");
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a head ends");
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let head = Reply { status, headers, body: Vec::new() };
        let rest = match head.header("transfer-encoding") {
            "chunked" => Rest::Chunks,
            _ => Rest::Length(head.header("content-length").parse().unwrap_or(0)),
        };
        Begun { client: self, head, rest }
    }

    /// Whether the other side closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }

    /// Everything until the other side closes the connection, as it came.
    pub(crate) fn everything(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("the other side closes in time");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether something came that was not read yet.
    pub(crate) fn has_something(&mut self) -> bool {
        let socket = self.stream.get_ref();
        socket.set_nonblocking(true).expect("a socket takes the option");
        let has = !self.stream.buffer().is_empty() || socket.peek(&mut [0]).is_ok();
        socket.set_nonblocking(false).expect("a socket takes the option");
        has
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

impl Begun<'_> {
    /// The next piece of the body as it was framed; `None` at its end, an error when it breaks off.
    pub(crate) fn piece(&mut self) -> Option<Result<Vec<u8>, String>> {
        let broken = |what: &str| Some(Err(format!("the body breaks off {what}")));
        let length = match self.rest {
            Rest::Over | Rest::Length(0) => return None,
            Rest::Length(length) => length,
            Rest::Chunks => {
                let Some(size) = self.client.line() else {
                    return broken("before a chunk");
                };
                let Ok(size) = usize::from_str_radix(&size, 16) else {
                    return broken("in a chunk's size");
                };
                if size == 0 {
                    self.client.line();
                    self.rest = Rest::Over;
                    return None;
                }
                size
            }
        };
        let mut piece = vec![0; length];
        if self.client.stream.read_exact(&mut piece).is_err() {
            return broken("in a piece");
        }
        match self.rest {
            Rest::Chunks => {
                self.client.line();
            }
            _ => self.rest = Rest::Over,
        }
        Some(Ok(piece))
    }

    /// Reads the rest.
    pub(crate) fn finish(mut self) -> Result<Reply, String> {
        while let Some(piece) = self.piece() {
            self.head.body.extend(piece?);
        }
        Ok(self.head)
    }
}
