//! Measuring a model on a machine on purpose, for whoever asks the admin API: one run at a time, as long as somebody asks
//! how far it is. Knows nothing of how a rate is measured (`measure`) or what is made of it.
//!
//! Reading order: `may` says whether a machine may be disturbed now, `hold` keeps clients away from it meanwhile, `plan`
//! how much is asked, `story` what is done in which order, `residency` puts back what was in memory, `routing` tells who
//! would be asked before and after.

mod hold;
mod lesson;
mod may;
mod plan;
mod residency;
mod routing;
mod run;
mod story;
mod target;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use herdwick_wire::bench::{BenchRunsView, BenchView, StartBench};

use crate::admin::{Admin, error};
use crate::bench::hold::Hold;
use crate::bench::run::{Run, Stop};
use crate::bench::target::Target;

/// The run that is under way, or the last one that was.
#[derive(Default)]
pub struct Benches {
    last: Mutex<Option<Arc<Run>>>,
}

/// The routes.
pub(crate) fn routes() -> Router<Admin> {
    Router::new()
        .route("/admin/v1/bench", get(runs).post(start))
        .route("/admin/v1/bench/{run}", get(show).delete(stop))
}

impl Benches {
    /// Ends what is under way, because the router ends; returns when nothing of it is left.
    pub async fn end(&self) {
        let last = self.last().clone();
        if let Some(run) = last {
            run.stop(Stop::Router);
            run.over().await;
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<Run>>> {
        // A run is put there whole.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Option<Arc<Run>> {
        self.last().clone().filter(|run| run.view().run == id)
    }
}

async fn start(State(admin): State<Admin>, Json(wanted): Json<StartBench>) -> Response {
    match begin(&admin, &wanted) {
        Ok(view) => Json(view).into_response(),
        Err((status, why)) => error(status, &why),
    }
}

/// Begins a run, if it may be. Whether one is under way and that one is from now on is settled in one step.
fn begin(admin: &Admin, wanted: &StartBench) -> Result<BenchView, (StatusCode, String)> {
    if *admin.stopping.borrow() {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "the router is stopping; start it again".to_owned()));
    }
    let mut last = admin.bench.last();
    if let Some(view) = last.as_ref().map(|run| run.view()).filter(|view| !view.is_over()) {
        let why = format!(
            "another bench runs: it measures {} on {}; wait until it has ended",
            view.model, view.node
        );
        return Err((StatusCode::CONFLICT, why));
    }
    let snapshot = admin.fleet.load_full();
    let target = Target::find(&snapshot, &wanted.node, &wanted.model);
    let target = target.map_err(|why| (StatusCode::NOT_FOUND, why))?;
    let refused = |why: String| (StatusCode::CONFLICT, why);
    may::check(&target, &snapshot, admin.now(), wanted.force).map_err(refused)?;
    let before = routing::winners(admin, &target, &snapshot);
    let hold = Hold::take(&target, &snapshot, wanted.force).map_err(refused)?;
    let run = Arc::new(Run::new(wanted, &target));
    let view = run.view();
    *last = Some(Arc::clone(&run));
    drop(last);
    tokio::spawn(story::tell(admin.clone(), run, story::Parts { target, hold, before }));
    Ok(view)
}

async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    match admin.bench.find(&id) {
        Some(run) => {
            run.asked();
            Json(run.view()).into_response()
        }
        None => unknown(),
    }
}

async fn stop(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    match admin.bench.find(&id) {
        Some(run) => {
            run.stop(Stop::Wanted);
            Json(run.view()).into_response()
        }
        None => unknown(),
    }
}

async fn runs(State(admin): State<Admin>) -> Response {
    Json(BenchRunsView { runs: admin.memory.runs() }).into_response()
}

fn unknown() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "no such bench runs here; the router was started anew, or another began meanwhile",
    )
}
