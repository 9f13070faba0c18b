//! The agent on a thread of its own, and requests as raw bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;

use fakenode::{FakeNode, ModelSpec, NodeSpec};
use herdwick_agent::{Agent, Ends, Finder, Place, Settings, Sighting};
use herdwick_fleet::{BackendKind, Origin};
use herdwick_wire::seal::PublicKey;
use tokio::sync::{mpsc, watch};

use crate::router::PATIENCE;

/// An agent that runs until it is dropped.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    seen: mpsc::UnboundedSender<Sighting>,
    thread: Option<JoinHandle<()>>,
}

struct Told(mpsc::UnboundedReceiver<Sighting>);

impl Finder for Told {
    async fn next(&mut self) -> Option<Sighting> {
        self.0.recv().await
    }
}

impl Running {
    pub(crate) fn start(state_dir: PathBuf, routers: &[String], places: &[Place]) -> Self {
        let settings = Settings {
            name: "studio".to_owned(),
            version: "1.2.3".to_owned(),
            state_dir,
            routers: routers.to_vec(),
            places: places.to_vec(),
            door_port: 0,
            meetings: false,
        };
        let agent = Agent::new(settings).expect("an agent");
        let (stop, stopped) = watch::channel(false);
        let (cut, is_cut) = watch::channel(false);
        let (seen, sightings) = mpsc::unbounded_channel();
        let ends = Ends { stop: stopped, cut: is_cut };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(agent.run(Told(sightings), ends));
        });
        Self { stop, cut, seen, thread: Some(thread) }
    }

    /// Somebody says that a router is there.
    pub(crate) fn sees(&self, address: SocketAddr, key: Option<PublicKey>) {
        let fingerprint = key.map(|key| key.node().to_string()[..16].to_owned());
        self.seen.send(Sighting { addresses: vec![address], fingerprint }).expect("the agent runs");
    }

    /// Tells it to drain and leave.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns once it left.
    pub(crate) fn ended(mut self) {
        self.thread.take().expect("it ran").join().expect("it ended well");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cut.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A test that fails tells why already.
            let _ = thread.join();
        }
    }
}

/// An Ollama with these models; `true` = in memory.
pub(crate) fn ollama(models: &[(&str, bool)]) -> FakeNode {
    let spec = models.iter().fold(NodeSpec::new("a"), |spec, (name, resident)| {
        spec.model(ModelSpec::new(*name).resident(*resident))
    });
    FakeNode::start(spec).expect("a node")
}

/// Where it is, as an Ollama that somebody named.
pub(crate) fn place(node: &FakeNode) -> Place {
    let origin = Origin { host: node.addr().ip().to_string(), port: node.addr().port() };
    Place { origin, kind: Some(BackendKind::Ollama) }
}

/// An empty folder of this test's own.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("agent-{test}"));
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => std::fs::create_dir_all(&folder).expect("a folder"),
    }
    folder
}

/// Sends a request to a port of this machine and leaves the answer to be read.
pub(crate) fn send(port: u16, method: &str, path: &str, bearer: Option<&str>, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let bearer = bearer.map(|bearer| format!("Authorization: Bearer {bearer}\r\n")).unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}Connection: close\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("it is sent");
    stream
}

/// Reads to the end of the connection.
pub(crate) fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Sends a request and reads the answer.
pub(crate) fn ask(port: u16, method: &str, path: &str, bearer: Option<&str>, body: &str) -> String {
    read(send(port, method, path, bearer, body))
}
