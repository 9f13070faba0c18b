//! The admin API's routes about machines: to see them, to name one, to take it out, to let it rest, and to try whether
//! the router reaches it. Wishes go to the keeper of the fleet; its answer is what a command shows.

use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use herdwick_fleet::{Backend, Claim, Listing, Node, Origin, Refusal, Snapshot, Source};
use herdwick_probe::{Depth, Probe};
use herdwick_wire::nodes::{
    AddNode, LabelNode, MachineView, NodesView, RenameNode, ServerTestView, TestView,
};

use crate::admin::{Admin, error};
use crate::desk::DeskError;

/// How long a server may take when an operator waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// More slots than this are a typing mistake.
const SLOTS: u32 = 1_024;

/// The routes.
pub(crate) fn routes() -> Router<Admin> {
    Router::new()
        .route("/admin/v1/nodes", get(list).post(add))
        .route("/admin/v1/nodes/{name}", get(show))
        .route("/admin/v1/nodes/{name}", delete(remove))
        .route("/admin/v1/nodes/{name}/drain", post(drain))
        .route("/admin/v1/nodes/{name}/undrain", post(undrain))
        .route("/admin/v1/nodes/{name}/forget", post(forget))
        .route("/admin/v1/nodes/{name}/label", post(label))
        .route("/admin/v1/nodes/{name}/rename", post(rename))
        .route("/admin/v1/nodes/{name}/test", post(test))
}

async fn list(State(admin): State<Admin>) -> Response {
    all(&admin)
}

async fn show(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    let snapshot = admin.fleet.load();
    match snapshot.nodes().iter().find(|node| *node.name == *name) {
        Some(node) => Json(machine(&admin, node, &snapshot)).into_response(),
        None => refused(&Refusal::Unknown { name }),
    }
}

async fn add(State(admin): State<Admin>, Json(wanted): Json<AddNode>) -> Response {
    match listing(wanted) {
        Ok(listing) => done(&admin, admin.desk.list(listing).await),
        Err(why) => error(StatusCode::BAD_REQUEST, &why),
    }
}

async fn remove(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    done(&admin, admin.desk.remove(&name).await)
}

async fn drain(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    done(&admin, admin.desk.drain(&name).await)
}

async fn undrain(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    done(&admin, admin.desk.undrain(&name).await)
}

async fn forget(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    done(&admin, admin.desk.forget(&name).await)
}

async fn label(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(LabelNode { labels }): Json<LabelNode>,
) -> Response {
    done(&admin, admin.desk.label(&name, labels).await)
}

async fn rename(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(wanted): Json<RenameNode>,
) -> Response {
    done(&admin, admin.desk.rename(&name, &wanted.name).await)
}

/// Asks each server of the machine now, whatever is known of it, and says what it found. It changes nothing.
async fn test(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    let snapshot = admin.fleet.load_full();
    if !snapshot.nodes().iter().any(|node| *node.name == *name) {
        return refused(&Refusal::Unknown { name });
    }
    let own = snapshot.backends().iter().filter(|backend| *backend.node.name == *name);
    let asked: Vec<_> = own
        .map(|backend| {
            let backend = std::sync::Arc::clone(backend);
            tokio::spawn(async move { ask(&backend).await })
        })
        .collect();
    let mut servers = Vec::new();
    for asked in asked {
        servers.extend(asked.await.ok());
    }
    Json(TestView { name, servers }).into_response()
}

/// What one server says for itself.
async fn ask(backend: &Backend) -> ServerTestView {
    let probe = Probe::new((*backend.origin).clone(), PATIENCE).with_bearer(backend.bearer.clone());
    let began = Instant::now();
    let mut view = ServerTestView {
        origin: backend.origin.to_string(),
        kind: backend.kind.name().to_owned(),
        reachable: false,
        problem: String::new(),
        version: String::new(),
        models: 0,
        resident: 0,
        round_trip_ms: 0.0,
    };
    let looked = async {
        let found = probe.identify().await?;
        view.kind = found.kind.name().to_owned();
        view.version = found.version;
        // One answer on a new connection: that is what a request pays before it begins.
        view.round_trip_ms = began.elapsed().as_secs_f64() * 1e3;
        probe.look(found.kind, Depth::All).await
    };
    match looked.await {
        Ok(facts) => {
            view.reachable = true;
            for claim in facts.claims {
                match claim {
                    Claim::Version(version) => view.version = version,
                    Claim::Models(models) => view.models = models.len(),
                    Claim::Resident(resident) => view.resident = resident.len(),
                    _ => {}
                }
            }
            if view.kind != backend.kind.name() {
                view.problem = format!("it is taken for {}", backend.kind);
            } else if view.models == 0 {
                view.problem = "it has no model".to_owned();
            }
        }
        Err(error) => view.problem = error.to_string(),
    }
    view
}

/// What is to be named, if it can be.
fn listing(wanted: AddNode) -> Result<Listing, String> {
    let AddNode { url, name, slots, labels } = wanted;
    let origin = Origin::parse(&url).map_err(|why| format!("{url:?} names no model server: {why}"))?;
    if slots.is_some_and(|slots| !(1..=SLOTS).contains(&slots)) {
        return Err(format!("slots must be 1 to {SLOTS}"));
    }
    // Colons of IPv6 are no part of a name, and a name that begins with a dash would be an option of every command.
    let name = name.unwrap_or_else(|| origin.host.replace(':', "-").trim_matches('-').to_owned());
    Ok(Listing { name, origin, slots, labels, source: Source::Added })
}

fn all(admin: &Admin) -> Response {
    let snapshot = admin.fleet.load();
    let mut nodes: Vec<_> = snapshot.nodes().iter().map(|node| machine(admin, node, &snapshot)).collect();
    nodes.sort_by(|one, two| one.name.cmp(&two.name));
    Json(NodesView { nodes }).into_response()
}

/// A machine as it is now; when it was there before this router started, memory knows.
fn machine(admin: &Admin, node: &Node, snapshot: &Snapshot) -> MachineView {
    let mut view = MachineView::new(node, snapshot, admin.now());
    let before = || Some(admin.memory.last_seen(node.id)?.as_secs());
    view.seen_s = view.seen_s.or_else(before);
    view.facts = admin.facts.read(node.id, admin.now());
    view
}

/// What the keeper answered, as everybody can see it by now.
fn done(admin: &Admin, answer: Result<(), DeskError>) -> Response {
    match answer {
        Ok(()) => all(admin),
        Err(DeskError::Refused(refusal)) => refused(&refusal),
        Err(gone) => error(StatusCode::SERVICE_UNAVAILABLE, &gone.to_string()),
    }
}

pub(crate) fn refused(refusal: &Refusal) -> Response {
    error(status(refusal), &refusal.to_string())
}

/// What a refusal is to a program.
pub(crate) fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Unknown { .. } => StatusCode::NOT_FOUND,
        Refusal::Name { .. } | Refusal::Labels => StatusCode::BAD_REQUEST,
        Refusal::Taken { .. }
        | Refusal::Configured { .. }
        | Refusal::Reporting { .. }
        | Refusal::Listed { .. }
        | Refusal::NoModel { .. }
        | Refusal::Pins { .. }
        | Refusal::Crowded => StatusCode::CONFLICT,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_machine_is_named_by_its_url_and_called_by_its_host() {
        let wanted =
            |url: &str, slots| AddNode { url: url.to_owned(), name: None, slots, labels: BTreeMap::new() };
        for (url, slots, name) in [
            ("http://10.0.0.5:11434", Some(4), Ok("10.0.0.5")),
            ("studio", None, Ok("studio")),
            ("http://[fd00::5]:1", None, Ok("fd00--5")),
            ("http://[::1]:1", None, Ok("1")),
            ("https://studio", None, Err("\"https://studio\" names no model server: the scheme")),
            ("studio", Some(0), Err("slots must be 1 to 1024")),
        ] {
            let read = listing(wanted(url, slots));
            match name {
                Ok(name) => assert_eq!(read.map(|it| it.name), Ok(name.to_owned())),
                Err(why) => assert!(read.is_err_and(|it| it.starts_with(why)), "{url}"),
            }
        }
    }
}
