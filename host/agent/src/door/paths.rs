//! What is passed on to a server that listens for its own machine only: requests with a prompt, and descriptions. A
//! closed list: nothing that writes, deletes, pulls or spends.

use http::Method;

/// Descriptions, which a router asks for when its agent is silent.
const GET: [&str; 9] = [
    "/",
    "/api/ps",
    "/api/tags",
    "/api/version",
    "/api/v0/models",
    "/health",
    "/props",
    "/v1/models",
    "/version",
];
/// Requests of clients.
const POST: [&str; 11] = [
    "/api/chat",
    "/api/embed",
    "/api/embeddings",
    "/api/generate",
    "/api/show",
    "/v1/audio/transcriptions",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/responses",
];

/// Whether this is passed on, and as what work: `Some(true)` = with a prompt.
pub(super) fn passed(method: &Method, path: &str) -> Option<bool> {
    match *method {
        Method::GET | Method::HEAD if GET.contains(&path) => Some(false),
        Method::POST if POST.contains(&path) => Some(path != "/api/show"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_on_that_changes_a_machine() {
        for path in
            ["/api/delete", "/api/pull", "/api/push", "/api/create", "/api/copy", "/api/blobs/x", "/slots"]
        {
            for method in [Method::GET, Method::POST, Method::DELETE, Method::HEAD] {
                assert_eq!(passed(&method, path), None, "{method} {path}");
            }
        }
        assert_eq!(passed(&Method::POST, "/api/chat"), Some(true));
        assert_eq!(passed(&Method::GET, "/api/chat"), None);
        assert_eq!(passed(&Method::GET, "/api/tags"), Some(false));
        assert_eq!(passed(&Method::POST, "/api/chat/"), None);
    }
}
