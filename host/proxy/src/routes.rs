//! The table of routes: what is served, and how an unknown path or method is answered. No path from a client is
//! ever passed on; a backend sees one of these constants.

use http::Method;

use crate::rescue::Problem;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Goes to one backend, chosen by model.
    Inference(Endpoint),
    /// Answered from what is known of all backends.
    Tags,
    /// The oldest version of Ollama in the fleet.
    Version,
    /// Whether anybody is there.
    Root,
    /// The admin API, which has routes of its own.
    Admin,
}

impl Route {
    /// What the log calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inference(endpoint) => endpoint.path(),
            Self::Tags => "/api/tags",
            Self::Version => "/api/version",
            Self::Root => "/",
            Self::Admin => ADMIN,
        }
    }
}

/// A route that a backend serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/api/chat`.
    Chat,
    /// `/api/generate`.
    Generate,
}

impl Endpoint {
    /// The path, at the client and at the backend.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/api/chat",
            Self::Generate => "/api/generate",
        }
    }
}

struct Entry {
    path: &'static str,
    /// `GET` allows `HEAD` as well.
    method: Method,
    route: Route,
}

const TABLE: &[Entry] = &[
    Entry { path: "/api/chat", method: Method::POST, route: Route::Inference(Endpoint::Chat) },
    Entry { path: "/api/generate", method: Method::POST, route: Route::Inference(Endpoint::Generate) },
    Entry { path: "/api/tags", method: Method::GET, route: Route::Tags },
    Entry { path: "/api/version", method: Method::GET, route: Route::Version },
    Entry { path: "/", method: Method::GET, route: Route::Root },
];

/// Where the admin API begins.
const ADMIN: &str = "/admin/";

/// Finds the route.
pub(crate) fn find(method: &Method, path: &str) -> Result<Route, Problem> {
    if path.starts_with(ADMIN) {
        return Ok(Route::Admin);
    }
    let Some(entry) = TABLE.iter().find(|entry| entry.path == path) else {
        return Err(Problem::NoRoute { path: path.to_owned(), nearest: nearest(path) });
    };
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    if *asked == entry.method {
        return Ok(entry.route);
    }
    let allow = if entry.method == Method::GET { "GET, HEAD" } else { "POST" };
    Err(Problem::Method { method: method.clone(), path: entry.path, allow })
}

fn nearest(path: &str) -> Option<&'static str> {
    // A long path is no typing mistake, and comparing it would cost for nothing.
    let distance = |known: &str| herdwick_fleet::nearest::distance(path, known);
    let known = TABLE.iter().map(|entry| entry.path).filter(|_| path.len() <= 64);
    known.map(|known| (distance(known), known)).filter(|(edits, _)| *edits <= 3).min().map(|near| near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_by_path_and_method() {
        let chat = Route::Inference(Endpoint::Chat);
        assert_eq!(find(&Method::POST, "/api/chat").ok(), Some(chat));
        assert_eq!(find(&Method::HEAD, "/").ok(), Some(Route::Root));
        assert!(matches!(
            find(&Method::GET, "/api/chat"),
            Err(Problem::Method { path: "/api/chat", allow: "POST", .. })
        ));
        for (path, near) in [
            ("/api/chta", Some("/api/chat")),
            ("/api/chat/", Some("/api/chat")),
            ("/api/delete/everything", None),
            ("/api/..%2fchat", None),
        ] {
            let found = find(&Method::POST, path);
            assert!(matches!(found, Err(Problem::NoRoute { nearest, .. }) if nearest == near), "{path}");
        }
    }
}
