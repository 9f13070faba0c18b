//! A model server that costs next to nothing: prebuilt bytes on a thread of its own, several ports, as many backends.
//! It speaks as much of Ollama as a router asks for, and every streamed line carries the moment at which it was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use crate::client::{head_end, header};
use crate::cpu::{self, Cpu};

/// The model that it has.
pub const MODEL: &str = "qwen3:8b";
/// Digits of a moment in a streamed line: nanoseconds of thirty years.
const DIGITS: usize = 18;
/// What stands before them.
const BEFORE: &[u8] = b"\"content\":\"";
/// A request that is longer is not one of ours.
const LONGEST: usize = 64 << 10;

/// What it streams. Can be changed at any time and holds for answers that begin afterwards.
#[derive(Debug, Default)]
pub struct Script {
    lines: AtomicU64,
    pace_us: AtomicU64,
}

/// Running backends. Dropping it ends them.
#[derive(Debug)]
pub struct Mock {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    start: Instant,
    chats: AtomicU64,
    whole: Vec<u8>,
}

impl Mock {
    /// Starts so many backends on one thread, on this processor if one is named.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start(backends: usize, cpu: Option<Cpu>) -> Result<Self> {
        let shared = Arc::new(Shared {
            script: Script::default(),
            start: Instant::now(),
            chats: AtomicU64::new(0),
            whole: whole(),
        });
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("mock".to_owned())
            .spawn(move || run(backends, cpu, &theirs, &tell, stopped))
            .context("the mock's thread cannot start")?;
        let addresses = told.recv().context("the mock ended before it began")??;
        Ok(Self { addresses, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where its backends listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// From now on, streams have so many lines, so far apart. The last one says that it is the last.
    pub fn streams(&self, lines: u64, pace: Duration) {
        self.shared.script.lines.store(lines, Relaxed);
        self.shared.script.pace_us.store(pace.as_micros() as u64, Relaxed);
    }

    /// Zero of the moments in its lines.
    pub fn start_of_time(&self) -> Instant {
        self.shared.start
    }

    /// Questions that it answered.
    pub fn chats(&self) -> u64 {
        self.shared.chats.load(Relaxed)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic, and if it did there would be nothing to do about it.
            let _ = thread.join();
        }
    }
}

/// The moment that a line of a stream carries, since the mock's start of time.
pub fn moment(line: &[u8]) -> Option<Duration> {
    let at = line.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    let digits = std::str::from_utf8(line.get(at..at + DIGITS)?).ok()?;
    digits.parse().ok().map(Duration::from_nanos)
}

fn run(
    backends: usize,
    cpu: Option<Cpu>,
    shared: &Arc<Shared>,
    tell: &mpsc::Sender<Result<Vec<SocketAddr>>>,
    stopped: oneshot::Receiver<()>,
) {
    let prepared = || {
        if let Some(cpu) = cpu {
            cpu::stay_on(cpu)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("the mock's runtime cannot start")?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bind = || runtime.block_on(TcpListener::bind(any)).context("no port for the mock");
        let listeners = (0..backends).map(|_| bind()).collect::<Result<Vec<_>>>()?;
        Ok((runtime, listeners))
    };
    let (runtime, listeners) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return drop(tell.send(Err(error))),
    };
    let addresses = listeners.iter().map(|listener| listener.local_addr().context("no address"));
    // Whoever started it waits for exactly this.
    drop(tell.send(addresses.collect()));
    runtime.block_on(async {
        for listener in listeners {
            tokio::spawn(accept(listener, Arc::clone(shared)));
        }
        // The sender is dropped, never used.
        stopped.await.ok();
    });
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A client that leaves or asks for what we do not have is told by the end of its connection.
        tokio::spawn(async move { serve(stream, &shared).await.ok() });
    }
}

/// Answers one connection's requests until it ends.
async fn serve(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4 << 10);
    loop {
        let (head, length) = loop {
            if let Some(found) = request(&buffer)? {
                break found;
            }
            ensure!(buffer.len() < LONGEST, "a request that is longer than any of ours");
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let (head, body) = buffer.split_at_checked(head).context("a head is here")?;
        let answer: &[u8] = if head.starts_with(b"POST /api/chat ") {
            shared.chats.fetch_add(1, Relaxed);
            let wants_whole = body.windows(14).any(|window| window == b"\"stream\":false");
            if wants_whole { &shared.whole } else { b"" }
        } else {
            &described(head)
        };
        if answer.is_empty() {
            tell(&mut stream, shared).await?;
        } else {
            stream.write_all(answer).await?;
        }
        buffer.drain(..length);
    }
}

/// Lengths of the head and of the whole request, once all of it is here.
fn request(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = head_end(bytes) else { return Ok(None) };
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).context("a head that is no text")?;
    ensure!(header(head, "transfer-encoding").is_none(), "a request in chunks");
    let length: usize = header(head, "content-length").unwrap_or("0").parse().context("a length")?;
    Ok((bytes.len() >= end + length).then_some((end, end + length)))
}

/// Streams an answer.
async fn tell(stream: &mut TcpStream, shared: &Shared) -> Result<()> {
    let (lines, pace) = (shared.script.lines.load(Relaxed), shared.script.pace_us.load(Relaxed));
    let began = tokio::time::Instant::now();
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\
        Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for line in 1..=lines {
        if line > 1 && pace > 0 {
            sleep_until(began + Duration::from_micros(pace) * (line - 1) as u32).await;
        }
        let done = if line == lines { FIGURES } else { "\"done\":false" };
        let now = shared.start.elapsed().as_nanos();
        let text = format!(
            "{{\"model\":\"{MODEL}\",\"created_at\":\"2026-01-01T00:00:00.000000Z\",\"message\":\
             {{\"role\":\"assistant\",\"content\":\"{now:0DIGITS$}\"}},{done}}}\n"
        );
        bytes.extend_from_slice(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
        if line == lines {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        stream.write_all(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

/// What the last line of an answer says of the work.
const FIGURES: &str = "\"done\":true,\"done_reason\":\"stop\",\"total_duration\":4935886791,\
    \"load_duration\":534986,\"prompt_eval_count\":26,\"prompt_eval_duration\":107345000,\"eval_count\":237,\
    \"eval_duration\":4289432000";

/// An answer in one piece, its head included.
fn whole() -> Vec<u8> {
    json(&format!(
        "{{\"model\":\"{MODEL}\",\"created_at\":\"2026-01-01T00:00:00.000000Z\",\"message\":{{\"role\":\"assistant\",\
         \"content\":\"Hello! How are you today?\"}},{FIGURES}}}"
    ))
}

/// What routers ask of a backend without asking its model.
fn described(head: &[u8]) -> Vec<u8> {
    let model = format!(
        "\"name\":\"{MODEL}\",\"model\":\"{MODEL}\",\"size\":5225388164,\"digest\":\"500a1f067a9f\",\"details\":\
         {{\"format\":\"gguf\",\"family\":\"qwen3\",\"parameter_size\":\"8.2B\",\"quantization_level\":\"Q4_K_M\"}}"
    );
    if head.starts_with(b"GET /api/version ") {
        json("{\"version\":\"0.12.6\"}")
    } else if head.starts_with(b"GET /api/tags ") {
        json(&format!("{{\"models\":[{{{model},\"modified_at\":\"2026-01-01T00:00:00Z\"}}]}}"))
    } else if head.starts_with(b"GET /api/ps ") {
        json(&format!(
            "{{\"models\":[{{{model},\"size_vram\":6654289920,\"context_length\":4096,\
             \"expires_at\":\"2036-01-01T00:00:00Z\"}}]}}"
        ))
    } else {
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
    }
}

fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_length() {
        let whole = b"POST /api/chat HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
        for cut in 0..whole.len() {
            assert_eq!(request(&whole[..cut]).expect("good"), None, "{cut}");
        }
        assert_eq!(request(whole).expect("good"), Some((whole.len() - 2, whole.len())));
        assert_eq!(request(b"GET / HTTP/1.1\r\n\r\nGET").expect("good"), Some((18, 18)));
        assert!(request(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn a_line_tells_when_it_was_sent() {
        let line = b"{\"message\":{\"role\":\"assistant\",\"content\":\"000000001500000000\"}}";
        assert_eq!(moment(line), Some(Duration::from_millis(1_500)));
        assert_eq!(moment(b"{\"error\":\"no\"}"), None);
        assert_eq!(moment(b"\"content\":\"1"), None);
    }
}
