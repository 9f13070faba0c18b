//! Whom Ollama talks to: on loopback it checks the Host header, and everywhere the browser's Origin.

use std::net::IpAddr;

use crate::http::Head;

/// Whether the request gets Ollama's 403 with an empty body. `loopback`: the node listens on loopback only.
pub(crate) fn refuses(head: &Head, loopback: bool) -> bool {
    let host = head.header("host").unwrap_or_default();
    (loopback && !host_allowed(host))
        || head.header("origin").is_some_and(|origin| !origin_allowed(origin, host))
}

fn host_allowed(host: &str) -> bool {
    let name = without_port(host);
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address.is_loopback() || address.is_unspecified() || is_private(address);
    }
    let name = name.to_lowercase();
    let local = [".localhost", ".local", ".internal"];
    name.is_empty() || name == "localhost" || local.iter().any(|suffix| name.ends_with(suffix))
}

fn origin_allowed(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let own = ["localhost", "127.0.0.1", "0.0.0.0"];
    match scheme {
        "app" | "file" | "tauri" | "vscode-webview" | "vscode-file" => true,
        "http" | "https" => authority == host || own.contains(&without_port(authority)),
        _ => false,
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::{host_allowed, origin_allowed};

    #[test]
    fn hosts_and_origins_follow_ollama() {
        for host in ["127.0.0.1:11434", "localhost", "[::1]:80", "192.168.1.4", "studio.local:1"] {
            assert!(host_allowed(host), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.com", "169.254.169.254", "8.8.8.8:80"] {
            assert!(!host_allowed(host), "{host}");
        }
        assert!(origin_allowed("http://localhost:3000", "h") && origin_allowed("http://h:1", "h:1"));
        assert!(!origin_allowed("https://evil.example", "h") && !origin_allowed("null", "h"));
    }
}
