//! The admin API, version 1: what an operator's commands and the dashboard ask. Runs on the control thread;
//! whoever lets requests in has checked that they may.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use herdwick_fleet::{Counters, Decision, Learned, Moment, RequestId, Ring, Snapshot};
use herdwick_wire::admin::{DecisionView, ErrorView};
use serde::Deserialize;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::bench::Benches;
use crate::desk::FleetDesk;
use crate::facts::FactBook;
use crate::needs::{Memory, Plugins, Residence};
use crate::{bench, learned, nodes, residence};

/// Decisions in one answer, unless fewer are asked for.
const MOST: usize = 200;
/// Bytes of one answer. The largest has [`MOST`] decisions of a large fleet.
const ANSWER_BYTES: usize = 64 << 20;

/// What the admin API shows.
#[derive(Clone)]
pub struct Admin {
    /// The last decisions.
    pub ring: Arc<Ring>,
    /// The plugins.
    pub plugins: Arc<dyn Plugins>,
    /// The newest picture of the fleet.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// What machines told people of themselves.
    pub facts: Arc<FactBook>,
    /// Where wishes about the fleet are handed in.
    pub desk: FleetDesk,
    /// Who has models loaded and let go of.
    pub residence: Arc<dyn Residence>,
    /// What was learned of the fleet.
    pub learned: Arc<Learned>,
    /// What is measured on purpose.
    pub bench: Arc<Benches>,
    /// What was known before the router started.
    pub memory: Arc<dyn Memory>,
    /// What is counted of requests.
    pub counters: Arc<Counters>,
    /// Where clients reach the router.
    pub listening: SocketAddr,
    /// Turns true when the router is told to stop.
    pub stopping: watch::Receiver<bool>,
    /// The router's version.
    pub version: &'static str,
    /// Zero of the router's clock.
    pub start: Instant,
}

impl Admin {
    /// Answers one request.
    pub async fn serve(self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let router = Router::new()
            .route("/admin/v1/decisions", get(decisions))
            .route("/admin/v1/decisions/{which}", get(decision))
            .route("/admin/v1/plugins", get(plugins))
            .route("/admin/v1/plugins/reload", post(reload))
            .route("/admin/v1/plugins/{name}/rollback", post(roll_back))
            .route("/admin/v1/health", get(health))
            .route("/admin/v1/status", get(status))
            .merge(nodes::routes())
            .merge(residence::routes())
            .merge(learned::routes())
            .merge(bench::routes())
            .fallback(unknown)
            .with_state(self);
        let answer = router.oneshot(request.map(axum::body::Body::from)).await;
        // The router's error type has no value.
        let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
        let body = axum::body::to_bytes(body, ANSWER_BYTES).await;
        http::Response::from_parts(head, body.unwrap_or_default())
    }

    /// Now, by the router's clock.
    pub(crate) fn now(&self) -> Moment {
        Moment::on(self.start, Instant::now())
    }

    fn view(&self, decision: &Arc<Decision>) -> DecisionView {
        let now = Moment::on(self.start, Instant::now());
        DecisionView::new(decision, now, &self.plugins.explain(decision))
    }
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn decisions(State(admin): State<Admin>, Query(Limit { limit }): Query<Limit>) -> Response {
    let newest = admin.ring.newest(limit.unwrap_or(MOST).min(MOST));
    let now = Moment::on(admin.start, Instant::now());
    let views: Vec<_> = newest.iter().map(|decision| DecisionView::new(decision, now, &[])).collect();
    Json(views).into_response()
}

async fn decision(State(admin): State<Admin>, Path(which): Path<String>) -> Response {
    let found = if which == "last" {
        admin.ring.last()
    } else {
        match RequestId::parse(&which) {
            Some(id) => admin.ring.find(id),
            None => {
                return error(
                    StatusCode::BAD_REQUEST,
                    "that is no request id; take one from an answer's x-request-id header, or \"last\"",
                );
            }
        }
    };
    match found {
        Some(decision) => Json(admin.view(&decision)).into_response(),
        None => error(
            StatusCode::NOT_FOUND,
            "no such decision is kept; the last 5,000 are, since the router started",
        ),
    }
}

async fn plugins(State(admin): State<Admin>) -> Response {
    Json(admin.plugins.list()).into_response()
}

async fn reload(State(admin): State<Admin>) -> Response {
    Json(admin.plugins.reload()).into_response()
}

async fn roll_back(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    match admin.plugins.roll_back(&name) {
        Ok(view) => Json(view).into_response(),
        Err(why) => error(StatusCode::CONFLICT, &why),
    }
}

async fn health(State(admin): State<Admin>) -> Response {
    Json(admin.plugins.findings()).into_response()
}

async fn status(State(admin): State<Admin>) -> Response {
    Json(crate::status::view(&admin)).into_response()
}

async fn unknown() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "no such admin route; /admin/v1/status, /admin/v1/nodes, /admin/v1/models, /admin/v1/bench, /admin/v1/plugins, \
         /admin/v1/decisions and /admin/v1/health are there",
    )
}

pub(crate) fn error(status: StatusCode, text: &str) -> Response {
    (status, Json(ErrorView { error: text.to_owned() })).into_response()
}
