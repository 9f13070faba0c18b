//! Header rules: what goes to a backend and what comes back is on a list, and what we say ourselves is printable.

use herdwick_dialect::Endpoint;
use herdwick_fleet::RequestId;
use herdwick_fleet::dispatch::Class;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::attempt::Call;

/// Which node answered.
pub(crate) const NODE: HeaderName = HeaderName::from_static("x-herdwick-node");
/// Why that one, in words.
pub(crate) const WHY: HeaderName = HeaderName::from_static("x-herdwick-why");
/// The model that really ran.
pub(crate) const MODEL: HeaderName = HeaderName::from_static("x-herdwick-model");
/// How many nodes were asked.
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("x-herdwick-attempts");
/// A stable word for a program, beside the text for people.
pub(crate) const ERROR_CODE: HeaderName = HeaderName::from_static("x-herdwick-error");
/// Tells OpenAI's and Anthropic's clients whether trying again makes sense.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Something about the answer that its reader should know.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("x-herdwick-warning");
/// Nodes that a list could not take in.
pub(crate) const PARTIAL: HeaderName = HeaderName::from_static("x-herdwick-partial");
/// How many requests went first when this one began to wait; in a refusal how many wait. Absent where nobody waited.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("x-herdwick-position");
/// The context that the router asked for in the client's place, in tokens.
pub(crate) const CONTEXT: HeaderName = HeaderName::from_static("x-herdwick-context");
/// What a client says of how urgent its request is: `interactive`, which is the default, or `batch`.
const PRIORITY: HeaderName = HeaderName::from_static("x-herdwick-priority");
/// By which clients name a conversation, in this order.
static SESSIONS: [HeaderName; 2] =
    [HeaderName::from_static("x-session-id"), HeaderName::from_static("x-openwebui-chat-id")];
/// In which clients show who they are, in this order.
static KEYS: [HeaderName; 3] =
    [header::AUTHORIZATION, HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];
/// The request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Which Herdwick answers, for `herdwick doctor` on other machines.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-herdwick-version");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What of a client's headers a backend sees. Credentials, cookies, origins and anything that frames the
/// message stay here: we frame it ourselves.
const TO_BACKEND: [HeaderName; 2] = [header::ACCEPT, TRACEPARENT];

/// What of a backend's headers a client sees. What frames the answer is ours, and what a browser would act on, from
/// cookies to origins, would act on us.
const TO_CLIENT: [HeaderName; 3] = [header::CACHE_CONTROL, header::CONTENT_TYPE, header::RETRY_AFTER];

/// The headers of the request to a backend, by what it is called and what it wants to see.
pub(crate) fn to_backend(call: &Call, host: HeaderValue, bearer: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(TO_BACKEND.len() + 4);
    headers.insert(header::HOST, host);
    if let Some(bearer) = bearer {
        headers.insert(header::AUTHORIZATION, bearer);
    }
    for name in TO_BACKEND {
        if let Some(value) = call.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    // curl sends a form type with -d; Ollama reads JSON whatever the type says, other backends do not. A real form's
    // type holds its boundary.
    let form = call.headers.get(header::CONTENT_TYPE).filter(|_| call.endpoint == Endpoint::Transcriptions);
    let kind = form.cloned().unwrap_or(HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(REQUEST_ID, call.signature.clone());
    headers
}

/// What goes before what: whoever says nothing waits for the answer.
pub(crate) fn class(headers: &HeaderMap) -> Class {
    let said = headers.get(&PRIORITY).map(HeaderValue::as_bytes).unwrap_or_default();
    if said.eq_ignore_ascii_case(b"batch") { Class::Batch } else { Class::Interactive }
}

/// The key that a client shows, in whichever header: `Authorization` has the name of its scheme before it.
pub(crate) fn key(headers: &HeaderMap) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"Bearer ";
    let mut keys = KEYS.iter().filter_map(|name| headers.get(name));
    let key = keys.next().map(HeaderValue::as_bytes)?;
    let key = match key.split_at_checked(SCHEME.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => key,
        _ => key,
    };
    (!key.is_empty()).then_some(key)
}

/// What a client calls its conversation.
pub(crate) fn session(headers: &HeaderMap) -> Option<&[u8]> {
    let mut sessions = SESSIONS.iter().filter_map(|name| headers.get(name));
    sessions.next().map(HeaderValue::as_bytes).filter(|session| !session.is_empty())
}

/// Leaves of a backend's headers what the client may see.
pub(crate) fn keep_for_client(headers: &mut HeaderMap) {
    let mut kept = HeaderMap::with_capacity(TO_CLIENT.len() + 6);
    for name in TO_CLIENT {
        if let Some(value) = headers.remove(&name) {
            kept.insert(name, value);
        }
    }
    *headers = kept;
}

/// What an agent wants to see before it passes a request on. `None` for a text that no header can carry; an agent is
/// refused that tells one.
pub(crate) fn bearer(bearer: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {bearer}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A request's id as a header value.
pub(crate) fn id(id: RequestId) -> HeaderValue {
    // Hexadecimal digits and dashes are always one.
    HeaderValue::try_from(id.to_string()).unwrap_or(HeaderValue::from_static("?"))
}

/// A text as a header value: what a header cannot carry becomes `?`.
pub(crate) fn text(text: &str) -> HeaderValue {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("?"));
    }
    let printable: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    HeaderValue::from_str(&printable).unwrap_or(HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_whichever_header() {
        let shown = |name, value| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            key(&headers).map(<[u8]>::to_vec)
        };
        let same = [
            ("authorization", "Bearer k"),
            ("authorization", "bearer k"),
            ("x-api-key", "k"),
            ("api-key", "k"),
        ];
        assert!(same.iter().all(|(name, value)| shown(name, value).as_deref() == Some(b"k")));
        assert_eq!(shown("authorization", "Basic k").as_deref(), Some(b"Basic k".as_slice()));
        assert_eq!((shown("authorization", "Bearer "), shown("accept", "k")), (None, None));
    }

    #[test]
    fn a_backend_sees_only_what_is_listed() {
        let mut from = HeaderMap::new();
        for (name, value) in [
            ("accept", "application/x-ndjson"),
            ("authorization", "Bearer secret"),
            ("cookie", "secret"),
            ("origin", "http://evil"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("x-forwarded-for", "1.2.3.4"),
            ("traceparent", "00-1-2-01"),
        ] {
            from.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let call = Call {
            id: RequestId::new(0, 0),
            signature: id(RequestId::new(0, 0)),
            endpoint: Endpoint::Chat,
            headers: from,
            body: bytes::Bytes::new(),
            spots: crate::options::Spots::default(),
            only_loads: false,
            pupil: crate::lesson::Pupil::of_nobody(Endpoint::Chat),
        };
        let sent = to_backend(&call, HeaderValue::from_static("studio:11434"), None);
        let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "content-type", "host", "traceparent", "x-request-id"]);
        let own = bearer("of-this-start");
        let sent = to_backend(&call, HeaderValue::from_static("studio:11436"), own);
        assert_eq!(sent[header::AUTHORIZATION], "Bearer of-this-start", "and never the client's");
        assert!(sent[header::AUTHORIZATION].is_sensitive(), "no log shows it");
    }

    #[test]
    fn a_client_sees_only_what_is_listed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("content-type", "application/json"),
            ("set-cookie", "session=1"),
            ("access-control-allow-origin", "*"),
            ("location", "http://elsewhere"),
            ("x-herdwick-node", "somebody else"),
            ("retry-after", "5"),
        ] {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        keep_for_client(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "retry-after"]);
    }

    #[test]
    fn any_text_fits_into_a_header() {
        assert_eq!(text("müller\r\nx: y"), "m?ller??x: y");
    }
}
