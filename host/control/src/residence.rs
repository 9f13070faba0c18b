//! The admin API's routes about models in memory: to load one, let go of it, pin it, and take the pin off. Pins are the
//! fleet's and outlive the router; what is loaded and let go of dispatch does, when its machine is free for it.

use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use herdwick_fleet::{ModelName, Moment, Refusal, Residency, RowId, Snapshot};
use herdwick_wire::residence::{PlaceView, PlacesView, WishModel};

use crate::admin::{Admin, error};
use crate::desk::DeskError;
use crate::nodes::status;

/// What may be wished.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Load,
    Unload,
    Pin,
    Unpin,
}

/// A server that holds the model.
struct Holder {
    row: RowId,
    node: String,
    origin: String,
    /// Whether it is in memory; `None` when nobody knows.
    is_in: Option<bool>,
    is_pinned: bool,
}

/// Why it cannot be, and what that is to a program.
type Refused = (StatusCode, String);

/// The routes.
pub(crate) fn routes() -> Router<Admin> {
    Router::new().route("/admin/v1/models/{verb}", post(wish))
}

async fn wish(
    State(admin): State<Admin>,
    Path(verb): Path<String>,
    Json(wanted): Json<WishModel>,
) -> Response {
    let verb = match verb.as_str() {
        "load" => Verb::Load,
        "unload" => Verb::Unload,
        "pin" => Verb::Pin,
        "unpin" => Verb::Unpin,
        _ => {
            return error(StatusCode::NOT_FOUND, "a model is loaded, unloaded, pinned or unpinned: /load, …");
        }
    };
    let model = match ModelName::parse(&wanted.model) {
        Ok(model) => model,
        Err(rule) => return error(StatusCode::BAD_REQUEST, &format!("{:?}: {rule}", wanted.model)),
    };
    let now = Moment::on(admin.start, Instant::now());
    let places = match places(&admin.fleet.load(), (&model, verb), (wanted.node.as_deref(), now)) {
        Ok(places) => places,
        Err((status, why)) => return error(status, &why),
    };
    let mut done = Vec::new();
    for holder in places {
        if let Err((status, why)) = grant(&admin, (&model, verb), &holder).await {
            return error(status, &why);
        }
        done.push(PlaceView { node: holder.node, origin: holder.origin });
    }
    Json(PlacesView { model: model.to_string(), places: done }).into_response()
}

/// Does it in one place. A pin is taken down before anything is loaded for it, and off before anything is let go of.
async fn grant(admin: &Admin, (model, verb): (&ModelName, Verb), holder: &Holder) -> Result<(), Refused> {
    let told = match verb {
        Verb::Pin => admin.desk.pin(&holder.node, model).await,
        Verb::Unpin | Verb::Unload => admin.desk.unpin(&holder.node, model).await,
        Verb::Load => Ok(()),
    };
    match told {
        Ok(()) => {}
        Err(DeskError::Refused(refusal)) => return Err((status(&refusal), refusal.to_string())),
        Err(gone) => return Err((StatusCode::SERVICE_UNAVAILABLE, gone.to_string())),
    }
    let wished = match verb {
        Verb::Load | Verb::Pin if holder.is_in != Some(true) => admin.residence.wish(true, holder.row, model),
        Verb::Unload => admin.residence.wish(false, holder.row, model),
        _ => Ok(()),
    };
    wished.map_err(|why| (StatusCode::CONFLICT, format!("{model} on {}: {why}", holder.node)))
}

/// Where it is to be done: on the node that is named, else where it is clear.
fn places(
    snapshot: &Snapshot,
    (model, verb): (&ModelName, Verb),
    (node, now): (Option<&str>, Moment),
) -> Result<Vec<Holder>, Refused> {
    if let Some(name) = node
        && !snapshot.nodes().iter().any(|node| *node.name == *name)
    {
        let unknown = Refusal::Unknown { name: name.to_owned() };
        return Err((status(&unknown), unknown.to_string()));
    }
    let holders =
        snapshot.holders(model).filter(|(backend, _)| node.is_none_or(|it| *backend.node.name == *it));
    let holders: Vec<_> = holders
        .map(|(backend, holding)| Holder {
            row: backend.row,
            node: backend.node.name.to_string(),
            origin: backend.origin.to_string(),
            is_in: holding.residency(now).map(|(residency, _)| residency >= Residency::Loading),
            is_pinned: backend.node.pins.contains(model),
        })
        .collect();
    match (holders.len(), verb) {
        (0, _) => Err((
            StatusCode::NOT_FOUND,
            match node {
                Some(node) => {
                    format!("{node} does not have {model}; `herdwick nodes show {node}` lists what it has")
                }
                None => format!("no node has {model}; `herdwick models list` shows what there is"),
            },
        )),
        // Where several have it, it is the operator's choice which memory it takes.
        (2.., Verb::Load | Verb::Pin) if node.is_none() => {
            let names: Vec<_> = holders.iter().map(|holder| holder.node.as_str()).collect();
            Err((
                StatusCode::CONFLICT,
                format!("{} have {model}; say which with --node", names.join(" and ")),
            ))
        }
        (_, Verb::Load | Verb::Pin) => Ok(holders),
        (_, Verb::Unload) => {
            Ok(holders.into_iter().filter(|holder| holder.is_in != Some(false) || holder.is_pinned).collect())
        }
        (_, Verb::Unpin) => Ok(holders.into_iter().filter(|holder| holder.is_pinned).collect()),
    }
}
