//! A node in the test's own process: a thread, a runtime, and blocking doors for tests without one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::condition::{Condition, NotReached, PATIENCE};
use crate::journal::Exchange;
use crate::node::Node;
use crate::serve;
use crate::spec::NodeSpec;
use crate::stats::Stats;
use crate::verb::Verb;

/// A node on a thread with a runtime of its own. Dropping it closes all its sockets at once.
#[derive(Debug)]
pub struct FakeNode {
    address: SocketAddr,
    node: Arc<Node>,
    runtime: Handle,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread reports once it can serve.
type Started = (Arc<Node>, Handle);

impl FakeNode {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When there is no port, thread or runtime to be had.
    pub fn start(spec: NodeSpec) -> io::Result<FakeNode> {
        FakeNode::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), spec)
    }

    /// Starts on this address.
    ///
    /// # Errors
    ///
    /// When the address, a thread or a runtime is not to be had.
    pub fn start_on(address: SocketAddr, spec: NodeSpec) -> io::Result<FakeNode> {
        let (started, ready) = mpsc::channel::<io::Result<(SocketAddr, Started)>>();
        let (shutdown, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("fakenode {}", spec.name))
            .spawn(move || live(address, spec, &started, stopped))?;
        match ready.recv() {
            Ok(Ok((address, (node, runtime)))) => {
                Ok(FakeNode { address, node, runtime, shutdown: Some(shutdown), thread: Some(thread) })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the node's thread ended before it served")),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The same as a base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every exchange so far, running ones included; the content of `GET /_log`.
    pub fn log(&self) -> Vec<Exchange> {
        self.node.journal.exchanges()
    }

    /// The content of `GET /_stats`.
    pub fn stats(&self) -> Stats {
        self.node.scheduler.stats()
    }

    /// The same as `POST /_ctl`; returns when the verbs are in force.
    pub fn script(&self, verbs: impl IntoIterator<Item = Verb>) {
        self.apply(verbs, None);
    }

    /// The same for requests to one model only.
    pub fn script_for(&self, model: &str, verbs: impl IntoIterator<Item = Verb>) {
        self.apply(verbs, Some(model.to_owned()));
    }

    /// Blocks until the condition holds, at most 10 s.
    ///
    /// # Errors
    ///
    /// [`NotReached`] when the time is over.
    pub fn wait(&self, condition: Condition) -> Result<(), NotReached> {
        self.wait_for(condition, PATIENCE)
    }

    /// Blocks until the condition holds, at most `patience`.
    ///
    /// # Errors
    ///
    /// [`NotReached`] when the time is over.
    pub fn wait_for(&self, condition: Condition, patience: Duration) -> Result<(), NotReached> {
        let node = Arc::clone(&self.node);
        let waited = self.block(async move { node.reached(condition, patience).await });
        waited.unwrap_or(Err(NotReached { condition, waited: patience }))
    }

    /// [`FakeNode::wait_for`] for tests that run on a runtime themselves.
    ///
    /// # Errors
    ///
    /// [`NotReached`] when the time is over.
    pub async fn reached(&self, condition: Condition, patience: Duration) -> Result<(), NotReached> {
        let node = Arc::clone(&self.node);
        let task = self.runtime.spawn(async move { node.reached(condition, patience).await });
        task.await.unwrap_or(Err(NotReached { condition, waited: patience }))
    }

    fn apply(&self, verbs: impl IntoIterator<Item = Verb>, model: Option<String>) {
        let (node, verbs) = (Arc::clone(&self.node), verbs.into_iter().collect());
        self.block(async move { node.apply(verbs, model.as_deref()).await });
    }

    /// Runs on the node's runtime and blocks for the result, which is missing only if the node has died.
    fn block<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (done, result) = mpsc::channel();
        self.runtime.spawn(async move {
            // Nobody listens any more only when the caller panicked.
            let _ = done.send(work.await);
        });
        result.recv().ok()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by its hook, and a drop can do nothing about it.
            let _ = thread.join();
        }
    }
}

/// The life of the thread.
fn live(
    address: SocketAddr,
    spec: NodeSpec,
    started: &mpsc::Sender<io::Result<(SocketAddr, Started)>>,
    stopped: oneshot::Receiver<()>,
) {
    let begin = || -> io::Result<_> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        Ok((runtime, listener, address))
    };
    let (runtime, listener, address) = match begin() {
        Ok(begun) => begun,
        // Whoever started us is waiting for exactly this.
        Err(error) => return drop(started.send(Err(error))),
    };
    let node = Node::new(spec);
    if started.send(Ok((address, (Arc::clone(&node), runtime.handle().clone())))).is_err() {
        return;
    }
    let shutdown = async {
        // A dropped sender is the signal.
        let _ = stopped.await;
    };
    // Fails only if the listener lost its address, and then there is nothing to serve.
    let _ = runtime.block_on(serve::run(listener, node, shutdown));
}
