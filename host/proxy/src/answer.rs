//! The response to the client for what a backend answered, with what we say of it: who gave it, why they, how many
//! were asked.

use herdwick_fleet::Profile;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::attempt::{Answer, Answered, Content};
use crate::headers;
use crate::relay::Body;
use crate::rescue::RETRY_AFTER_S;
use crate::ticket::Ticket;
use crate::tries::Tries;
use crate::vigil::Vigil;

/// What an error of a backend is called when it is passed on.
const CODE: HeaderValue = HeaderValue::from_static("upstream_error");

/// A good answer, or an error that is the client's to read.
pub(crate) fn response(
    answer: Answer,
    (ticket, vigil): (Ticket, Vigil),
    profile: &Profile,
    why: &str,
) -> Response<Body> {
    let Answer { mut head, body } = answer;
    let said = [
        (headers::NODE, headers::text(&ticket.backend.node.name)),
        (headers::MODEL, headers::text(profile.model.as_str())),
        (headers::ATTEMPTS, HeaderValue::from(profile.attempts + 1)),
        (headers::WHY, headers::text(why)),
    ];
    head.headers.extend(said);
    let body = match body {
        Content::Whole(bytes, facts) => {
            if facts.incomplete {
                head.headers.insert(headers::WARNING, HeaderValue::from_static("incomplete"));
            }
            Body::full(bytes)
        }
        Content::Stream(mut stream) => {
            stream.hold(ticket, vigil);
            Body::Stream(stream)
        }
        Content::Pass(mut pass) => {
            pass.hold(ticket);
            Body::Pass(Box::new(pass))
        }
    };
    if !head.status.is_success() {
        head.headers.insert(headers::ERROR_CODE, CODE);
        head.headers.insert(headers::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    Response::from_parts(head, body)
}

/// The error of the backend that failed last, once nobody is left who could do better.
pub(crate) fn theirs(answered: Answered, tries: &Tries) -> Response<Body> {
    let Answered { status, kind, body, .. } = answered;
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/json")));
    headers.insert(headers::ERROR_CODE, CODE);
    headers.insert(headers::ATTEMPTS, HeaderValue::from(tries.count()));
    if let Some(node) = tries.last_node() {
        headers.insert(headers::NODE, headers::text(node));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    } else if status.is_client_error() {
        headers.insert(headers::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}
