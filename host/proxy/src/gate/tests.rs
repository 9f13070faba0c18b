//! The rules of the gate, one row for each thing that may knock.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::HeaderName;

use super::near::Own;
use super::*;

const OURS: &str = "localhost:11435";

/// A machine called studio at 192.168.1.5, where an operator let somebody in besides.
fn gate() -> Gate {
    let trust = Trust {
        hosts: vec!["ai.example.com".to_owned()],
        origins: vec!["https://chat.example.com".parse().unwrap()],
        sources: vec!["203.0.113.0/24".parse().unwrap()],
    };
    Gate {
        names: Names::new(Some("studio".to_owned()), &trust.hosts),
        interfaces: Interfaces::new(|| Ok(vec![Own { address: IpAddr::from([192, 168, 1, 5]), bits: 24 }])),
        origins: trust.origins,
        sources: trust.sources,
    }
}

fn request(line: &str, headers: &[(&str, &str)]) -> Request<()> {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The code of the refusal, or `in`.
fn knock(line: &str, headers: &[(&str, &str)]) -> &'static str {
    let peer = Peer::new(IpAddr::from([127, 0, 0, 1]), true, Arc::default());
    match gate().admit(&peer, &request(line, headers)) {
        Ok(_) => "in",
        Err(problem) => problem.code(),
    }
}

#[test]
fn a_program_may_ask_under_any_name_that_is_one() {
    for (line, host, expected) in [
        ("POST /api/chat", "localhost:11435", "in"),
        ("POST /api/chat", "whatever.example", "in"),
        ("POST /api/chat", "10.0.0.1:80", "in"),
        ("POST /api/chat", "a, b", "invalid_host"),
        ("POST /api/chat", "", "invalid_host"),
        ("POST /api/chat", "user@a", "invalid_host"),
        // An address with the host in it is for proxies, unless it is our own.
        ("GET http://localhost:11435/api/tags", "localhost:11435", "in"),
        ("GET http://a.example/api/tags", "a.example", "in"),
        ("GET http://localhost:11435/api/tags", "a.example", "in"),
        ("GET http://evil.example/api/tags", "localhost:11435", "host_not_allowed"),
        ("GET http://user@localhost:11435/api/tags", "localhost:11435", "invalid_host"),
        ("CONNECT a.example:443", "a.example:443", "method_not_allowed"),
        ("TRACE /", "localhost", "method_not_allowed"),
    ] {
        assert_eq!(knock(line, &[("host", host)]), expected, "{line} {host}");
    }
    // A page whose own name points here, in a browser that says nothing else.
    let page = |host| knock("GET /api/tags", &[("host", host), ("user-agent", "Mozilla/5.0 (X11)")]);
    assert_eq!(
        (page("evil.example:11435"), page(OURS), page("192.168.1.5")),
        ("host_not_allowed", "in", "in")
    );
    assert_eq!(knock("GET /", &[]), "invalid_host");
    assert_eq!(knock("GET /", &[("host", "a"), ("host", "a")]), "invalid_host");
}

#[test]
fn a_browser_must_ask_under_a_name_of_ours() {
    for (host, expected) in [
        ("localhost:11435", "in"),
        ("localhost.:11435", "in"),
        ("LOCALHOST", "in"),
        ("127.0.0.1:11435", "in"),
        ("[::1]:11435", "in"),
        ("192.168.1.5:11435", "in"),
        ("studio:11435", "in"),
        ("Studio.local:11435", "in"),
        ("host.docker.internal:11435", "in"),
        ("ai.example.com", "in"),
        ("evil.example:11435", "host_not_allowed"),
        ("127.0.0.1.evil.com", "host_not_allowed"),
        ("localhost.evil.com", "host_not_allowed"),
        ("other.local", "host_not_allowed"),
        ("0.0.0.0:11435", "host_not_allowed"),
        ("[::]:11435", "host_not_allowed"),
        ("169.254.169.254", "host_not_allowed"),
        ("192.168.1.6:11435", "host_not_allowed"),
        ("2130706433", "host_not_allowed"),
        ("0x7f.1", "host_not_allowed"),
        ("0177.0.0.1", "host_not_allowed"),
    ] {
        for sign in [("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-new", "x")] {
            assert_eq!(knock("GET /", &[("host", host), sign]), expected, "{host} {sign:?}");
        }
    }
    let both = [("host", "localhost"), ("sec-fetch-site", "none")];
    assert_eq!(knock("GET http://evil.example/", &both), "host_not_allowed");
}

#[test]
fn a_page_must_be_ours_or_let_in() {
    for (name, value, expected) in [
        ("origin", "http://localhost:11435", "in"),
        ("origin", "https://chat.example.com", "in"),
        ("origin", "http://chat.example.com", "origin_not_allowed"),
        ("origin", "https://chat.example.com.evil.com", "origin_not_allowed"),
        ("origin", "http://localhost:3000", "origin_not_allowed"),
        ("origin", "http://evil.example", "origin_not_allowed"),
        ("origin", "null", "origin_not_allowed"),
        ("origin", "", "origin_not_allowed"),
        ("referer", "http://localhost:11435/page", "in"),
        ("referer", "http://evil.example/page", "origin_not_allowed"),
        ("sec-fetch-site", "same-origin", "in"),
        ("sec-fetch-site", "none", "in"),
        ("sec-fetch-site", "same-site", "origin_not_allowed"),
        ("sec-fetch-site", "cross-site", "origin_not_allowed"),
    ] {
        let headers = [("host", OURS), ("content-type", "application/json"), (name, value)];
        for line in ["POST /api/chat", "GET /api/tags", "OPTIONS /api/chat", "GET /nowhere"] {
            assert_eq!(knock(line, &headers), expected, "{line} {name}: {value}");
        }
    }
}

#[test]
fn a_page_sends_json() {
    let page = [("host", OURS), ("origin", "http://localhost:11435")];
    for (path, kind, expected) in [
        ("/api/chat", "application/json", "in"),
        ("/api/chat", "Application/JSON ; charset=utf-8", "in"),
        ("/api/chat", "text/plain", "unsupported_media_type"),
        ("/api/chat", "text/plain; application/json", "unsupported_media_type"),
        ("/api/chat", "application/x-www-form-urlencoded", "unsupported_media_type"),
        ("/api/chat", "multipart/form-data; boundary=x", "unsupported_media_type"),
        ("/api/chat", "", "unsupported_media_type"),
        ("/v1/audio/transcriptions", "multipart/form-data; boundary=x", "in"),
    ] {
        let headers: Vec<_> = page.into_iter().chain([("content-type", kind)]).collect();
        assert_eq!(knock(&format!("POST {path}"), &headers), expected, "{path} {kind}");
    }
    assert_eq!(knock("POST /api/chat", &page), "unsupported_media_type");
    // curl sends a form's type with -d.
    let program = [("host", OURS), ("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(knock("POST /api/chat", &program), "in");
}

#[test]
fn only_near_clients_and_those_that_the_operator_named_are_served() {
    for (address, served) in [
        ("127.0.0.1", true),
        ("192.168.1.77", true),
        ("203.0.113.9", true),
        ("8.8.8.8", false),
        ("2001:db8::1", false),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let gate = gate();
        assert_eq!(gate.takes(address), served, "{address}");
        // Whom the operator let in besides is no node for that.
        assert_eq!(gate.is_near(address), served && !address.to_string().starts_with("203."), "{address}");
        let peer = Peer::new(address, gate.takes(address), Arc::default());
        let knocked = gate.admit(&peer, &request("GET /", &[("host", OURS)]));
        assert_eq!(knocked.is_ok(), served, "{address}");
        if let Err(problem) = knocked {
            assert!(problem.to_string().contains("allowed_sources"), "{problem}");
        }
    }
}

#[test]
fn only_a_page_from_elsewhere_that_was_let_in_may_read_across() {
    let peer = Peer::new(IpAddr::from([127, 0, 0, 1]), true, Arc::default());
    for (origin, reader) in [("https://chat.example.com", true), ("http://localhost:11435", false)] {
        let request = request("GET /api/tags", &[("host", OURS), ("origin", origin)]);
        let mut headers = HeaderMap::new();
        gate().admit(&peer, &request).unwrap().sign(&mut headers);
        let allowed = headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(allowed, reader.then_some(origin));
        assert_eq!(headers.contains_key("vary"), reader);
    }
}

#[test]
fn a_browser_is_told_what_a_page_may_send() {
    let origin = ("origin", "https://chat.example.com");
    let wants = ("access-control-request-method", "POST");
    let ask = |line: &str, headers: &[(&str, &str)]| {
        options(&request(line, headers)).map(|answer| answer.map(|answer| answer.into_parts().0))
    };
    let head =
        ask("OPTIONS /api/chat", &[origin, wants, ("access-control-request-headers", "x-a, content-type")]);
    let head = head.unwrap().unwrap();
    assert_eq!(head.status, 204);
    assert_eq!(head.headers[HeaderName::from_static("access-control-allow-headers")], "x-a, content-type");
    assert_eq!(ask("OPTIONS *", &[]).unwrap().unwrap().headers["allow"], METHODS);
    for (line, headers, expected) in [
        ("OPTIONS /admin/v1/plugins", &[origin, wants][..], Some("forbidden")),
        ("OPTIONS /fleet/v1/beat", &[origin, wants], Some("forbidden")),
        ("OPTIONS /heartbeat", &[origin, wants], Some("forbidden")),
        ("OPTIONS /api/delete", &[origin, wants], Some("route_refused")),
        ("OPTIONS /nowhere", &[origin, wants], Some("not_found")),
        ("OPTIONS /api/tags", &[origin, wants], Some("method_not_allowed")),
        // No preflight: the table of routes answers.
        ("OPTIONS /api/chat", &[origin], None),
        ("POST /api/chat", &[origin, wants], None),
    ] {
        let code = ask(line, headers).map(|answer| answer.map(|head| head.status).unwrap_err().code());
        assert_eq!(code, expected, "{line}");
    }
}
