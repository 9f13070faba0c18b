//! The accept loop: takes connections while the gate is open, and cuts all of them at once at shutdown.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connection;
use crate::gate::Wish;
use crate::node::Node;
use crate::spec::NodeSpec;

/// Pause after a failed accept or bind: both fail for reasons that pass (descriptors, the port).
const RETRY: Duration = Duration::from_millis(20);

/// Serves until `shutdown` resolves, on the caller's tokio runtime; then cuts all connections, as Ollama does.
///
/// # Errors
///
/// Only when the listener does not know its own address.
pub async fn serve(
    listener: TcpListener,
    spec: NodeSpec,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    run(listener, Node::new(spec), shutdown).await
}

pub(crate) async fn run(
    listener: TcpListener,
    node: Arc<Node>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut connections = JoinSet::new();
    tokio::select! {
        () = shutdown => {}
        () = accept(listener, address, &node, &mut connections) => {}
    }
    connections.shutdown().await;
    Ok(())
}

/// Never returns.
async fn accept(
    mut listener: TcpListener,
    address: SocketAddr,
    node: &Arc<Node>,
    connections: &mut JoinSet<()>,
) {
    loop {
        tokio::select! {
            biased;
            wish = node.gate.until(|wish| wish != Wish::Accept) => {
                drop(listener);
                node.gate.now_listening(false);
                stay_closed(node, wish).await;
                listener = bind_again(address).await;
                node.gate.now_listening(true);
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if node.gate.closes_this_one() => drop(stream),
                Ok((stream, _)) => {
                    connections.spawn(connection::run(stream, Arc::clone(node)));
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            },
            // Only to forget the finished ones.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn stay_closed(node: &Node, wish: Wish) {
    let reopened = node.gate.until(|wish| wish == Wish::Accept);
    match wish {
        Wish::Refuse(Some(duration)) => {
            if tokio::time::timeout(duration, reopened).await.is_err() {
                node.gate.reopen();
            }
        }
        Wish::Refuse(None) | Wish::Accept => {
            reopened.await;
        }
    }
}

/// Until the port is ours again: somebody may have borrowed it as the source port of a connection.
async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}
