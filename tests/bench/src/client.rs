//! One connection of a client that asks as lean as can be: bytes out, bytes in, no map of headers. It reads what the
//! mock and both proxies send, and refuses everything else.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::mock;

/// Bytes that one read takes at most.
const READ: usize = 16 << 10;
/// A head or a line that is longer is not what we asked for.
const LONGEST: usize = 64 << 10;

/// A question about as long as a short one of a person, as bytes on the wire.
pub fn question(streamed: bool) -> Vec<u8> {
    let body = format!(
        "{{\"model\":\"{}\",\"messages\":[{{\"role\":\"system\",\"content\":\"You are a helpful assistant. Answer in \
         one short paragraph and say when you are not sure.\"}},{{\"role\":\"user\",\"content\":\"Why is the sky blue \
         at noon and red in the evening, and what would it look like from the Moon?\"}}],\"stream\":{streamed},\
         \"options\":{{\"temperature\":0.7}}}}",
        mock::MODEL
    );
    let length = body.len();
    format!(
        "POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: herdwick-bench\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One connection, one question at a time.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// How the rest of an answer is framed.
enum Framing {
    Length(usize),
    Chunked,
}

impl Client {
    /// Opens a connection.
    ///
    /// # Errors
    /// Nobody listens there, or the system has no sockets left.
    pub async fn connect(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
        Self::of(stream)
    }

    /// Opens a connection from this address: one source has no more than some 28,000 ports.
    ///
    /// # Errors
    /// Nobody listens there, or the system has no sockets left.
    pub async fn connect_from(from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4().context("the system has no sockets left")?;
        socket.bind(from).with_context(|| format!("cannot use the address {from}"))?;
        let stream = socket.connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
        Self::of(stream)
    }

    fn of(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Asks for an answer in one piece and reads all of it; returns its length in bytes.
    ///
    /// # Errors
    /// The connection broke, or the answer is no success.
    pub async fn ask(&mut self, question: &[u8]) -> Result<usize> {
        self.stream.write_all(question).await.context("the question was not taken")?;
        let (head, framing) = self.head().await?;
        let Framing::Length(length) = framing else { bail!("an answer in one piece came as a stream") };
        while self.buffer.len() < head + length {
            self.fill().await?;
        }
        ensure!(self.buffer.len() == head + length, "more came than one answer");
        self.buffer.clear();
        Ok(length)
    }

    /// Asks for a stream; `line` gets each of its lines and the moment at which it was here. Returns the moment at which
    /// the first one was.
    ///
    /// # Errors
    /// The connection broke, or the answer is no success or no whole stream.
    pub async fn listen(&mut self, question: &[u8], mut line: impl FnMut(&[u8], Instant)) -> Result<Instant> {
        self.stream.write_all(question).await.context("the question was not taken")?;
        let (head, framing) = self.head().await?;
        let Framing::Chunked = framing else { bail!("a stream came in one piece") };
        self.buffer.drain(..head);
        let (mut chunks, mut text, mut first) = (Chunks::Size, Vec::new(), None);
        loop {
            let now = Instant::now();
            let over = chunks.unpack(&mut self.buffer, &mut text)?;
            let mut read = 0;
            while let Some(end) = rest(&text, read).iter().position(|byte| *byte == b'\n') {
                line(rest(&text, read).get(..end).unwrap_or_default(), now);
                read += end + 1;
                first.get_or_insert(now);
            }
            text.drain(..read);
            if over {
                ensure!(text.is_empty() && self.buffer.is_empty(), "a stream did not end with its last line");
                return first.context("a stream without a line");
            }
            self.fill().await?;
        }
    }

    /// Reads until a whole head is here: its length, and what follows it.
    async fn head(&mut self) -> Result<(usize, Framing)> {
        let end = loop {
            if let Some(end) = head_end(&self.buffer) {
                break end;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default());
        ensure!(head.get(9..12) == Some("200"), "it answered: {}", String::from_utf8_lossy(&self.buffer));
        if let Some(length) = header(&head, "content-length") {
            return Ok((end, Framing::Length(length.parse().context("a length that is no number")?)));
        }
        ensure!(header(&head, "transfer-encoding") == Some("chunked"), "an answer without framing: {head}");
        Ok((end, Framing::Chunked))
    }

    async fn fill(&mut self) -> Result<()> {
        ensure!(self.buffer.len() < LONGEST, "an answer that is longer than any of ours");
        self.buffer.reserve(READ);
        let read = self.stream.read_buf(&mut self.buffer).await.context("the answer broke off")?;
        ensure!(read > 0, "the connection ended before the answer did");
        Ok(())
    }
}

/// Where a head ends, with its empty line, if all of it is here.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn rest(bytes: &[u8], from: usize) -> &[u8] {
    bytes.get(from..).unwrap_or_default()
}

/// What of a chunked body comes next (RFC 9112 §7.1); no extensions, no trailers.
#[derive(Clone, Copy, Debug)]
enum Chunks {
    Size,
    /// So many bytes of text, then a line end.
    Text(usize),
    LineEnd,
    LastLineEnd,
}

impl Chunks {
    /// Takes what is here out of `raw` and puts its text into `text`. Returns whether the body is over.
    fn unpack(&mut self, raw: &mut Vec<u8>, text: &mut Vec<u8>) -> Result<bool> {
        let mut at = 0;
        let over = loop {
            let here = rest(raw, at);
            match *self {
                Self::Size => {
                    let Some(end) = here.windows(2).position(|window| window == b"\r\n") else { break false };
                    let size = std::str::from_utf8(here.get(..end).unwrap_or_default());
                    let size = size.ok().and_then(|size| usize::from_str_radix(size, 16).ok());
                    at += end + 2;
                    *self = match size.context("a chunk without a size")? {
                        0 => Self::LastLineEnd,
                        size => Self::Text(size),
                    };
                }
                Self::Text(size) => {
                    let taken = here.get(..size.min(here.len())).unwrap_or_default();
                    if taken.is_empty() {
                        break false;
                    }
                    text.extend_from_slice(taken);
                    at += taken.len();
                    *self = if taken.len() == size { Self::LineEnd } else { Self::Text(size - taken.len()) };
                }
                Self::LineEnd | Self::LastLineEnd => {
                    let Some(end) = here.get(..2) else { break false };
                    ensure!(end == b"\r\n", "a chunk that is longer than its size");
                    at += 2;
                    if matches!(self, Self::LastLineEnd) {
                        break true;
                    }
                    *self = Self::Size;
                }
            }
        };
        raw.drain(..at);
        Ok(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_unpacked_wherever_they_are_cut() {
        let wire = b"5\r\nhello\r\n1\r\n\n\r\nA\r\n0123456789\r\n0\r\n\r\n";
        for cut in 0..=wire.len() {
            let (mut chunks, mut raw, mut text) = (Chunks::Size, wire[..cut].to_vec(), Vec::new());
            let early = chunks.unpack(&mut raw, &mut text).expect("good");
            assert_eq!(early, cut == wire.len());
            raw.extend_from_slice(&wire[cut..]);
            assert!(early || chunks.unpack(&mut raw, &mut text).expect("good"));
            assert_eq!((text.as_slice(), raw.as_slice()), (&b"hello\n0123456789"[..], &b""[..]), "{cut}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for wire in ["x\r\n", "\r\n\r\n", "1\r\nabc"] {
            let unpacked = Chunks::Size.unpack(&mut wire.as_bytes().to_vec(), &mut Vec::new());
            assert!(unpacked.is_err(), "{wire:?}");
        }
    }
}
