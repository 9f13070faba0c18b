//! The table of routes: what is served, what is refused, and how an unknown path or method is answered. No path from
//! a client is ever passed on; a backend sees one of our constants.

use herdwick_dialect::Endpoint;
use http::Method;

use crate::aside::Matter;
use crate::rescue::Problem;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Goes to one backend, chosen by model.
    Inference(Endpoint),
    /// Facts about a model, from whoever has it.
    Show,
    /// The models of all backends, as Ollama lists them.
    Tags,
    /// What all backends have in memory.
    Ps,
    /// The models of all backends, as OpenAI lists them.
    Models,
    /// One of them, by name as the path has it.
    Model(String),
    /// The oldest version of Ollama in the fleet.
    Version,
    /// Whether Ollama's cloud is used, which it never is.
    Status,
    /// Whether anybody is there.
    Root,
    /// Whether the process serves.
    Healthz,
    /// Whether it takes requests for models.
    Readyz,
    /// The admin API, which has routes of its own.
    Admin,
    /// A heartbeat, of one or the other kind of agent.
    Beat(Matter),
}

impl Route {
    /// What the log calls it; never what the client wrote.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Inference(endpoint) => endpoint.path(),
            Self::Show => Endpoint::Show.path(),
            Self::Model(_) => ONE_MODEL,
            Self::Admin => ADMIN,
            route => GETS.iter().chain(&BEATS).find(|(_, known)| known == route).map_or("", |(path, _)| path),
        }
    }
}

/// Paths with a method and a route, apart from those of [`Endpoint`]. `GET` allows `HEAD` as well.
const GETS: [(&str, Route); 8] = [
    ("/api/tags", Route::Tags),
    ("/api/ps", Route::Ps),
    ("/api/version", Route::Version),
    ("/api/status", Route::Status),
    ("/v1/models", Route::Models),
    ("/", Route::Root),
    ("/healthz", Route::Healthz),
    ("/readyz", Route::Readyz),
];

/// Where agents send their heartbeats. They take `POST`.
const BEATS: [(&str, Route); 2] =
    [("/fleet/v1/beat", Route::Beat(Matter::Beat)), ("/heartbeat", Route::Beat(Matter::HerdBeat))];

/// Where the admin API begins.
const ADMIN: &str = "/admin/";
/// Where one model of OpenAI's list is found. Names have slashes, which Ollama's own route cannot match.
const MODEL: &str = "/v1/models/";
/// How people are told of it.
const ONE_MODEL: &str = "/v1/models/{id}";

/// Why some of Ollama's routes are not for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It changes what is on a machine.
    Changes,
    /// It acts on the account of whoever owns the node.
    Account,
}

/// Ollama's routes that are refused. One with a slash at its end stands for everything under it.
const REFUSED: [(&str, Refusal); 10] = [
    ("/api/delete", Refusal::Changes),
    ("/api/create", Refusal::Changes),
    ("/api/copy", Refusal::Changes),
    ("/api/pull", Refusal::Changes),
    ("/api/push", Refusal::Changes),
    ("/api/blobs/", Refusal::Changes),
    ("/api/me", Refusal::Account),
    ("/api/signout", Refusal::Account),
    ("/api/user/", Refusal::Account),
    ("/api/experimental/", Refusal::Account),
];

/// Finds the route.
pub(crate) fn find(method: &Method, path: &str) -> Result<Route, Problem> {
    if let Some(endpoint) = Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == path) {
        let route = if endpoint == Endpoint::Show { Route::Show } else { Route::Inference(endpoint) };
        return allowed(method, &Method::POST, endpoint.path(), route);
    }
    if let Some((path, route)) = GETS.iter().find(|(known, _)| *known == path) {
        return allowed(method, &Method::GET, path, route.clone());
    }
    if let Some((path, route)) = BEATS.iter().find(|(known, _)| *known == path) {
        return allowed(method, &Method::POST, path, route.clone());
    }
    if path.starts_with(ADMIN) {
        return Ok(Route::Admin);
    }
    if let Some(id) = path.strip_prefix(MODEL).filter(|id| !id.is_empty()) {
        return allowed(method, &Method::GET, ONE_MODEL, Route::Model(decoded(id)));
    }
    let refused = |known: &str| known == path || (known.ends_with('/') && path.starts_with(known));
    if let Some((_, why)) = REFUSED.into_iter().find(|(known, _)| refused(known)) {
        return Err(Problem::RouteRefused { path: path.to_owned(), why });
    }
    Err(Problem::NoRoute { path: path.to_owned(), nearest: nearest(path) })
}

fn allowed(asked: &Method, known: &Method, path: &'static str, route: Route) -> Result<Route, Problem> {
    let asked_for = if asked == Method::HEAD { &Method::GET } else { asked };
    if asked_for == known {
        return Ok(route);
    }
    let allow = if known == Method::GET { "GET, HEAD" } else { "POST" };
    Err(Problem::Method { method: asked.clone(), path, allow })
}

/// A name out of a path. Clients write a slash of the name as it is or as `%2F`; what else is written so is no part
/// of any model's name, and stays as it is to be refused as such.
fn decoded(id: &str) -> String {
    let mut name = id.to_owned();
    for (written, meant) in [("%2F", "/"), ("%2f", "/"), ("%3A", ":"), ("%3a", ":")] {
        name = name.replace(written, meant);
    }
    name
}

fn nearest(path: &str) -> Option<&'static str> {
    // A long path is no typing mistake, and comparing it would cost for nothing.
    if path.len() > 64 {
        return None;
    }
    let gets = GETS.iter().map(|(known, _)| *known);
    let known = Endpoint::ALL.iter().map(|endpoint| endpoint.path()).chain(gets);
    let edits = known.map(|known| (herdwick_fleet::nearest::distance(path, known), known));
    edits.filter(|(edits, _)| *edits <= 3).min().map(|near| near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_by_path_and_method() {
        for (method, path, route) in [
            (Method::POST, "/api/chat", Route::Inference(Endpoint::Chat)),
            (Method::POST, "/api/show", Route::Show),
            (Method::POST, "/v1/audio/transcriptions", Route::Inference(Endpoint::Transcriptions)),
            (Method::HEAD, "/", Route::Root),
            (Method::HEAD, "/readyz", Route::Readyz),
            (Method::HEAD, "/api/tags", Route::Tags),
            (Method::GET, "/v1/models", Route::Models),
            (Method::GET, "/v1/models/hf.co/a/b:Q4", Route::Model("hf.co/a/b:Q4".into())),
            (Method::GET, "/v1/models/hf.co%2Fa%2fb%3AQ4", Route::Model("hf.co/a/b:Q4".into())),
            (Method::DELETE, "/admin/v1/anything", Route::Admin),
            (Method::POST, "/fleet/v1/beat", Route::Beat(Matter::Beat)),
            (Method::POST, "/heartbeat", Route::Beat(Matter::HerdBeat)),
        ] {
            assert_eq!(find(&method, path), Ok(route), "{path}");
        }
        for (method, path, takes) in [
            (Method::GET, "/api/chat", "POST"),
            (Method::POST, "/api/ps", "GET, HEAD"),
            (Method::DELETE, "/v1/models/x", "GET, HEAD"),
            (Method::GET, "/fleet/v1/beat", "POST"),
        ] {
            let found = find(&method, path);
            assert!(matches!(found, Err(Problem::Method { allow, .. }) if allow == takes), "{path}");
        }
    }

    #[test]
    fn what_changes_a_machine_or_spends_an_account_is_refused() {
        for (path, wanted) in [
            ("/api/delete", Refusal::Changes),
            ("/api/blobs/sha256:00", Refusal::Changes),
            ("/api/me", Refusal::Account),
            ("/api/user/keys/x", Refusal::Account),
            ("/api/experimental/web_fetch", Refusal::Account),
        ] {
            let found = find(&Method::POST, path);
            assert!(matches!(found, Err(Problem::RouteRefused { why, .. }) if why == wanted), "{path}");
        }
    }

    #[test]
    fn an_unknown_path_is_told_the_nearest_one() {
        for (path, near) in [
            ("/api/chta", Some("/api/chat")),
            ("/api/chat/", Some("/api/chat")),
            ("//api/chat", Some("/api/chat")),
            ("/v1/chat/completion", Some("/v1/chat/completions")),
            ("/api/./chat", Some("/api/chat")),
            ("/health", Some("/healthz")),
            ("/debug/pprof", None),
            ("/metrics", None),
            ("/api/..%2fchat", None),
            ("/v1/models/", Some("/v1/models")),
        ] {
            let found = find(&Method::POST, path);
            assert!(matches!(found, Err(Problem::NoRoute { nearest, .. }) if nearest == near), "{path}");
        }
    }
}
