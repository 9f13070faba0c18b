//! The admin API's routes about what was learned: by model, by machine, and to begin anew.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use herdwick_fleet::{ModelName, NodeId, Refusal, Subject};
use herdwick_wire::learned::{ModelsView, NodeLearnedView, ResetLearned, ResetView};
use tokio::sync::oneshot;

use crate::admin::{Admin, error};
use crate::nodes::refused;

/// The routes.
pub(crate) fn routes() -> Router<Admin> {
    Router::new()
        .route("/admin/v1/models", get(models))
        .route("/admin/v1/nodes/{name}/learned", get(node))
        .route("/admin/v1/learned/reset", post(reset))
}

async fn models(State(admin): State<Admin>) -> Response {
    Json(ModelsView::new(&admin.fleet.load(), &admin.learned, admin.now())).into_response()
}

async fn node(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    let snapshot = admin.fleet.load();
    match snapshot.nodes().iter().find(|node| *node.name == *name) {
        Some(node) => {
            Json(NodeLearnedView::new(node, &snapshot, &admin.learned, admin.now())).into_response()
        }
        None => refused(&Refusal::Unknown { name }),
    }
}

/// Forgets for good: whoever is told that it is done finds it done after a kill a moment later.
async fn reset(State(admin): State<Admin>, Json(wanted): Json<ResetLearned>) -> Response {
    let meant = match Meant::read(&admin, wanted) {
        Ok(meant) => meant,
        Err((status, why)) => return error(status, &why),
    };
    let forgotten = admin.learned.forget(|of| meant.holds(of));
    admin.memory.keep_learned();
    safe(&admin).await;
    Json(count(&forgotten)).into_response()
}

/// Returns when what memory was told before is safe, or cannot be made so for now.
pub(crate) async fn safe(admin: &Admin) {
    let (tell, told) = oneshot::channel();
    // Whoever asked may have left.
    admin.memory.safe(Box::new(move || _ = tell.send(())));
    // An error means that the program ends.
    let _ = told.await;
}

/// What is to be forgotten.
struct Meant {
    node: Option<NodeId>,
    model: Option<ModelName>,
}

impl Meant {
    fn read(admin: &Admin, wanted: ResetLearned) -> Result<Self, (StatusCode, String)> {
        let snapshot = admin.fleet.load();
        let node = wanted.node.map(|name| {
            let found = snapshot.nodes().iter().find(|node| *node.name == *name);
            found
                .map(|node| node.id)
                .ok_or_else(|| (StatusCode::NOT_FOUND, Refusal::Unknown { name }.to_string()))
        });
        let model = wanted.model.map(|name| {
            ModelName::parse(&name).map_err(|why| {
                let told = "`herdwick models list` shows which there are";
                (StatusCode::BAD_REQUEST, format!("{name:?} is no model's name: {why}; {told}"))
            })
        });
        Ok(Self { node: node.transpose()?, model: model.transpose()? })
    }

    /// Whether something is of everything that is named.
    fn holds(&self, of: &Subject) -> bool {
        let (node, model) = match of {
            Subject::Speed { backend, model } => (Some(backend.node), Some(model)),
            Subject::Model { model } | Subject::App { model, .. } => (None, Some(model)),
            Subject::Machine { node } => (Some(*node), None),
        };
        (self.node.is_none() || self.node == node) && (self.model.is_none() || self.model.as_ref() == model)
    }
}

fn count(forgotten: &[Subject]) -> ResetView {
    let mut view = ResetView::default();
    for of in forgotten {
        match of {
            Subject::Speed { .. } => view.speeds += 1,
            Subject::Model { .. } | Subject::App { .. } => view.lengths += 1,
            Subject::Machine { .. } => view.machines += 1,
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use herdwick_fleet::{App, BackendId};

    use super::*;

    #[test]
    fn only_what_is_of_all_that_is_named_is_forgotten() {
        let id = NodeId::from_origin;
        let name = |text: &str| ModelName::parse(text).expect("a name");
        let subjects = [
            Subject::Speed { backend: BackendId { node: id("a"), port: 1 }, model: name("m") },
            Subject::Speed { backend: BackendId { node: id("b"), port: 1 }, model: name("other") },
            Subject::Model { model: name("m") },
            Subject::App { app: App::new("curl"), model: name("other") },
            Subject::Machine { node: id("a") },
        ];
        for (node, model, expected) in [
            (None, None, [true; 5]),
            (Some("a"), None, [true, false, false, false, true]),
            (None, Some("m"), [true, false, true, false, false]),
            (Some("a"), Some("m"), [true, false, false, false, false]),
            (Some("b"), Some("m"), [false; 5]),
        ] {
            let meant = Meant { node: node.map(id), model: model.map(name) };
            let found: Vec<_> = subjects.iter().map(|of| meant.holds(of)).collect();
            assert_eq!(found, expected, "{node:?} {model:?}");
        }
    }
}
