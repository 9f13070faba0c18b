//! Pages in a browser: a page of somebody else reaches no node and changes nothing, whatever it asks; our own and those
//! that the operator let in work. The routes are all that there are, the attacks all that a browser can be brought to.

use crate::support::{Client, Node, Reply, Router, get};

const MODEL: &[&str] = &["--slots", "2", "--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
const ASK: &str = r#"{"model":"m:1b","messages":[{"role":"user","content":"hi"}],"prompt":"hi","input":"hi","stream":false}"#;
/// Let in by the operator.
const FRIEND: &str = "https://chat.example.com";

/// Every route for clients, the admin API, what is refused, what is unknown.
const ROUTES: [&str; 26] = [
    "POST /api/chat",
    "POST /api/generate",
    "POST /api/embed",
    "POST /api/embeddings",
    "POST /api/show",
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/embeddings",
    "POST /v1/responses",
    "POST /v1/messages",
    "POST /v1/audio/transcriptions",
    "GET /api/tags",
    "GET /api/ps",
    "GET /api/version",
    "GET /api/status",
    "GET /v1/models",
    "GET /v1/models/m:1b",
    "GET /healthz",
    "GET /readyz",
    "GET /",
    "GET /admin/v1/plugins",
    "POST /admin/v1/plugins/queue-depth/disable",
    "POST /admin/v1/reload",
    "POST /api/pull",
    "DELETE /api/delete",
    "POST /nowhere",
];

fn fleet(variables: &[(&str, &str)]) -> (Node, Router) {
    let node = Node::start("studio", MODEL);
    let (router, _log) = Router::start_logged(&[node.spec(2)], &[], variables);
    (node, router.knows("m:1b"))
}

/// Asks with exactly these headers; `<own>` stands for the router's own.
fn ask(router: &Router, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let own = format!("localhost:{}", router.address.port());
    let mut text = format!("{line} HTTP/1.1\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {}\r\n", value.replace("<own>", &own)));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let mut client = Client::connect(router.address);
    client.raw(text.as_bytes());
    client.reply()
}

#[test]
fn a_page_of_somebody_else_reaches_nothing() {
    let (node, router) = fleet(&[("HERDWICK_ALLOWED_ORIGINS", FRIEND)]);
    let json = ("content-type", "application/json");
    let attacks: [(&str, &[(&str, &str)]); 16] = [
        ("origin_not_allowed", &[("host", "<own>"), json, ("origin", "https://evil.example")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("origin", "null")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("origin", "http://localhost:3000")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("origin", "http://<own>.evil.example")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("origin", "http://chat.example.com")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("origin", FRIEND), ("origin", FRIEND)]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("sec-fetch-site", "cross-site")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("sec-fetch-site", "same-site")]),
        ("origin_not_allowed", &[("host", "<own>"), json, ("referer", "https://evil.example/page")]),
        // Its own name now points at us.
        (
            "host_not_allowed",
            &[("host", "evil.example:11435"), json, ("origin", "http://evil.example:11435")],
        ),
        ("host_not_allowed", &[("host", "evil.example"), ("sec-fetch-site", "same-origin"), json]),
        ("host_not_allowed", &[("host", "evil.example"), ("referer", "http://evil.example/")]),
        ("host_not_allowed", &[("host", "127.0.0.1.evil.com"), ("sec-fetch-mode", "navigate")]),
        ("host_not_allowed", &[("host", "localhost.evil.com"), ("sec-fetch-dest", "image")]),
        ("host_not_allowed", &[("host", "169.254.169.254"), ("sec-fetch-site", "none")]),
        ("host_not_allowed", &[("host", "0.0.0.0"), ("sec-fetch-site", "none")]),
    ];
    let plugins = || get(router.address, "/admin/v1/plugins").text();
    let before = plugins();
    assert!(before.contains("queue-depth"), "{before}");
    for route in ROUTES {
        for (code, headers) in attacks {
            let body = if route.starts_with("GET") { "" } else { ASK };
            let reply = ask(&router, route, headers, body);
            let case = format!("{route} {headers:?}: {}", reply.text());
            assert_eq!((reply.status, reply.header("x-herdwick-error")), (403, code), "{case}");
            let setting = if code == "host_not_allowed" { "allowed_hosts" } else { "allowed_origins" };
            assert!(reply.text().contains(setting), "{case}");
            assert_eq!(reply.header("access-control-allow-origin"), "", "{case}");
            assert_eq!(reply.header("connection"), "close", "{case}");
        }
    }
    assert_eq!(node.asked(), 0);
    assert_eq!(states(&plugins()), states(&before), "no plugin was switched");
}

/// Name and state of every plugin; what else is told of them counts calls and time.
fn states(plugins: &str) -> Vec<(String, String)> {
    let plugins: serde_json::Value = serde_json::from_str(plugins).expect("JSON");
    let list = plugins["plugins"].as_array().expect("a list").iter();
    list.map(|plugin| (plugin["name"].to_string(), plugin["state"].to_string())).collect()
}

#[test]
fn what_a_plain_form_can_send_is_refused_even_to_our_own_pages() {
    let (node, router) = fleet(&[]);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for origin in ["http://<own>", "https://evil.example"] {
            let headers = [("host", "<own>"), ("origin", origin), ("content-type", kind)];
            let reply = ask(&router, "POST /api/chat", &headers, ASK);
            assert!(matches!(reply.status, 403 | 415), "{kind} {origin}: {}", reply.text());
        }
    }
    assert_eq!(node.asked(), 0);
}

#[test]
fn our_own_pages_work_under_every_name_of_the_machine() {
    let (node, router) = fleet(&[("HERDWICK_ALLOWED_HOSTS", "ai.example.com")]);
    let port = router.address.port();
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".to_owned());
    let name = name.trim().to_owned();
    let hosts = [
        format!("localhost:{port}"),
        format!("LOCALHOST.:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        format!("{name}:{port}"),
        format!("{}.local:{port}", name.split('.').next().unwrap_or_default()),
        "host.docker.internal".to_owned(),
        "ai.example.com".to_owned(),
    ];
    for host in &hosts {
        let origin = format!("http://{}", host.to_ascii_lowercase());
        let headers = [
            ("host", host.as_str()),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json; charset=utf-8"),
        ];
        let reply = ask(&router, "POST /api/chat", &headers, ASK);
        assert_eq!(reply.status, 200, "{host}: {}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), "", "nobody else reads it");
        let typed = [("host", host.as_str()), ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")];
        assert_eq!(ask(&router, "GET /", &typed, "").status, 200, "{host}");
    }
    assert_eq!(node.asked(), hosts.len());
}

#[test]
fn a_page_that_was_let_in_asks_first_and_reads_its_answer() {
    let (node, router) = fleet(&[("HERDWICK_ALLOWED_ORIGINS", FRIEND)]);
    let wants = ("access-control-request-method", "POST");
    let may = ("access-control-request-headers", "authorization,content-type");
    for (origin, site, status) in [
        (FRIEND, "cross-site", 204),
        ("https://evil.example", "cross-site", 403),
        ("null", "cross-site", 403),
    ] {
        let headers = [("host", "<own>"), ("origin", origin), ("sec-fetch-site", site), wants, may];
        let reply = ask(&router, "OPTIONS /api/chat", &headers, "");
        assert_eq!(reply.status, status, "{origin}: {}", reply.text());
        let allowed = if status == 204 { origin } else { "" };
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
        assert_eq!(reply.header("access-control-allow-credentials"), "");
        if status == 204 {
            assert_eq!(reply.header("vary"), "origin");
            assert_eq!(reply.header("access-control-allow-headers"), may.1);
            assert!(reply.header("access-control-allow-methods").contains("POST"));
        }
    }
    assert_eq!(node.asked(), 0);
    let friend = [
        ("host", "<own>"),
        ("origin", FRIEND),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "application/json"),
    ];
    for (line, body, status) in [
        ("POST /api/chat", ASK, 200),
        ("GET /api/tags", "", 200),
        ("POST /api/chat", "{}", 400),
        ("GET /nowhere", "", 404),
    ] {
        let reply = ask(&router, line, &friend, body);
        assert_eq!(reply.status, status, "{line}: {}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), FRIEND, "{line}");
        assert_eq!(reply.header("vary"), "origin", "{line}");
        assert!(reply.header("access-control-expose-headers").contains("x-request-id"), "{line}");
    }
    // What is for programs on this machine stays so.
    for line in ["GET /admin/v1/plugins", "POST /admin/v1/reload"] {
        let reply = ask(&router, line, &friend, "");
        assert_eq!((reply.status, reply.header("x-herdwick-error")), (403, "forbidden"), "{line}");
    }
    let reply = ask(&router, "OPTIONS /admin/v1/reload", &[("host", "<own>"), ("origin", FRIEND), wants], "");
    assert_eq!(reply.status, 403);
}

#[test]
fn a_router_on_every_address_is_reached_by_both_kinds_and_says_who_may_come() {
    let node = Node::start("studio", MODEL);
    let variables = [("HERDWICK_ALLOWED_ORIGINS", FRIEND), ("HERDWICK_ALLOWED_SOURCES", "203.0.113.0/24")];
    let (router, _log) = Router::start_logged(&[node.spec(2)], &["--listen", "0.0.0.0:0"], &variables);
    let said = "(programs on this machine, your networks and allowed_sources; of pages in browsers only its own and \
                allowed_origins)";
    assert!(router.listening.contains(said), "{}", router.listening);
    let port = router.address.port();
    let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    for loopback in ["127.0.0.1", "::1"].into_iter().filter(|text| has_v6 || !text.contains(':')) {
        let address: std::net::IpAddr = loopback.parse().expect("an address");
        assert_eq!(get((address, port).into(), "/api/version").status, 200, "{loopback}");
    }
    let example = router.example.expect("the banner has a command to try");
    assert!(
        example.contains(&format!("http://127.0.0.1:{port}/")),
        "nobody can connect to a wildcard: {example}"
    );
}

#[test]
fn programs_ask_as_they_always_did() {
    let (_node, router) = fleet(&[]);
    for headers in [
        &[("host", "<own>")][..],
        // As curl sends -d.
        &[
            ("host", "<own>"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("user-agent", "curl/8.14.1"),
        ],
        &[("host", "my-proxy.example"), ("authorization", "Bearer x")],
    ] {
        let reply = ask(&router, "POST /api/chat", headers, ASK);
        assert_eq!(reply.status, 200, "{headers:?}: {}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
}
