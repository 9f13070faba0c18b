//! Asks a running router's admin API: one request, one JSON answer.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use herdwick_fleet::Origin;
use herdwick_wire::admin::ErrorView;
use http::header::HOST;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::failed::Failed;

/// An operator waits no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which router to ask.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RouterArg {
    /// Address of the router.
    #[arg(long, value_name = "HOST:PORT", env = "HERDWICK_ROUTER", default_value = "127.0.0.1:11435")]
    router: String,
}

impl RouterArg {
    /// `GET`s a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::GET, path)
    }

    /// `POST`s without a body.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::POST, path)
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> anyhow::Result<T> {
        let next = format!("start the router, or say where it is with --router ({} was asked)", self.router);
        let origin = Origin::parse(&self.router).map_err(|error| {
            Failed::because(error, "--router is no address", "write it like 127.0.0.1:11435")
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let exchange = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, exchange(&origin, method, path))
                .await
                .context("no answer in time")?
        });
        let (status, body) =
            exchange.map_err(|error| Failed::because(error, "the router cannot be asked", next))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                Failed::because(
                    error,
                    "the router's answer is not understood",
                    "use the same version on both sides",
                )
            });
        }
        let text = serde_json::from_slice::<ErrorView>(&body).map(|view| view.error);
        Err(Failed::plainly(
            text.unwrap_or_else(|_| format!("the router answers {status}")),
            "see `herdwick --help`",
        ))
    }
}

async fn exchange(origin: &Origin, method: Method, path: &str) -> anyhow::Result<(http::StatusCode, Bytes)> {
    let stream = TcpStream::connect((origin.host.as_str(), origin.port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange; its error shows in the answer.
    tokio::spawn(async move { connection.await.ok() });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, origin.authority())
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
