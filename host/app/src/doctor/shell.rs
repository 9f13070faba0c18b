//! What the variables of this shell do to clients that are started from it: where `OLLAMA_HOST` sends them, and
//! whether a proxy takes what is meant for the router.

use std::net::IpAddr;

use herdwick_fleet::Origin;

use super::ask::Answer;
use super::line::Line;
use crate::config::Env;

const OLLAMA_HOST: &str = "OLLAMA_HOST";
const PROXY: &str = "proxy";
/// Variables that have programs send plain HTTP over a proxy.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables that name what goes without it.
const WITHOUT: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// What an Ollama, and a router like it, say at `/`.
const OLLAMA: &str = "Ollama is running";

/// Where the variable points, if it does.
pub(crate) fn target(env: &Env) -> Option<(String, Result<Origin, String>)> {
    let said = env.get(OLLAMA_HOST)?.to_string_lossy().into_owned();
    let origin = Origin::parse(&said).map_err(|error| error.to_string());
    Some((said, origin.map(|origin| Origin { host: reachable(origin.host), ..origin })))
}

/// Nobody can connect to a wildcard.
fn reachable(host: String) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1".to_owned(),
        _ => host,
    }
}

/// `answer` is what was answered there; `router` is where clients should ask.
pub(crate) fn ollama_host(said: &str, answer: &Result<Answer, String>, router: &str) -> Line {
    let found = format!("OLLAMA_HOST is {said:?} in this shell");
    match answer {
        Ok(answer) if answer.is_router => {
            Line::good(OLLAMA_HOST, format!("{said}: clients of this shell ask the router"))
        }
        Ok(answer) if answer.text() == OLLAMA => {
            Line::good(OLLAMA_HOST, format!("{said}: clients of this shell ask an Ollama, past the router"))
        }
        Ok(_) => repair(
            Line::problem(OLLAMA_HOST, found).cause("what answers there is neither an Ollama nor a router"),
            router,
        ),
        Err(why) => repair(
            Line::problem(OLLAMA_HOST, found)
                .cause(format!("{why}; clients that are started from this shell, like `ollama run`, fail")),
            router,
        ),
    }
}

fn repair(line: Line, router: &str) -> Line {
    let line = line.fix("point it to the router, or take it away:");
    if cfg!(windows) {
        return line.command(format!("set OLLAMA_HOST={router}")).command("set OLLAMA_HOST=");
    }
    line.command(format!("export OLLAMA_HOST={router}")).command("unset OLLAMA_HOST")
}

/// Whether a proxy takes what is meant for one of `hosts`: the router and this machine. `None` without any proxy.
pub(crate) fn proxy(env: &Env, hosts: &[String]) -> Option<Line> {
    // Its value may hold a password, so it is not repeated.
    let name = PROXIES.into_iter().find(|name| env.get(name).is_some())?;
    let without: Vec<String> = WITHOUT
        .into_iter()
        .filter_map(|name| env.get(name))
        .flat_map(|list| list.to_string_lossy().split([',', ' ']).map(str::to_owned).collect::<Vec<_>>())
        .filter(|part| !part.is_empty())
        .collect();
    let taken: Vec<&String> =
        hosts.iter().filter(|host| !without.iter().any(|part| covers(part, host))).collect();
    if taken.is_empty() {
        return Some(Line::good(PROXY, format!("{name} is set, and no_proxy leaves out what is ours")));
    }
    let names = taken.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(", ");
    let all: Vec<&str> =
        without.iter().map(String::as_str).chain(taken.iter().map(|host| host.as_str())).collect();
    Some(
        Line::note(PROXY, format!("{name} is set, and no_proxy does not name {names}"))
            .cause("curl and Python's clients then ask the proxy for the router, and it does not know it")
            .fix("name what is reached without it:")
            .command(format!("export no_proxy={}", all.join(","))),
    )
}

/// Whether a part of `no_proxy` means this host: the whole, a domain above it, a range of addresses.
fn covers(part: &str, host: &str) -> bool {
    let part = part.trim().trim_matches(['[', ']']);
    if part == "*" || part.eq_ignore_ascii_case(host) {
        return true;
    }
    if let (Ok(range), Ok(address)) = (part.parse::<herdwick_proxy::gate::Prefix>(), host.parse::<IpAddr>()) {
        return range.contains(address);
    }
    let domain = part.trim_start_matches(['*', '.']).to_ascii_lowercase();
    !domain.is_empty() && host.to_ascii_lowercase().ends_with(&format!(".{domain}"))
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;
    use crate::config::env::Platform;

    #[test]
    fn a_wrong_ollama_host_is_told_with_what_would_be_right() {
        let router = Answer { is_router: true, ..Answer::default() };
        let ollama = Answer { body: OLLAMA.into(), ..Answer::default() };
        for (answer, verdict, told) in [
            (Ok(router), Verdict::Good, "ask the router"),
            (Ok(ollama), Verdict::Good, "past the router"),
            (Ok(Answer::default()), Verdict::Problem, "neither"),
            (Err("nothing listens there".to_owned()), Verdict::Problem, "OLLAMA_HOST=127.0.0.1:11435"),
        ] {
            let line = ollama_host("studio", &answer, "127.0.0.1:11435");
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
        }
    }

    #[test]
    fn where_it_points_is_read_as_ollama_does() {
        for (said, origin) in [
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("http://studio:8080", "http://studio:8080"),
            ("[::]:1", "http://[::1]:1"),
        ] {
            let env = Env::of(Platform::Linux, &[(OLLAMA_HOST, said)]);
            assert_eq!(target(&env).unwrap().1.unwrap().to_string(), origin);
        }
        assert!(target(&Env::of(Platform::Linux, &[(OLLAMA_HOST, "a b")])).unwrap().1.is_err());
        assert_eq!(target(&Env::of(Platform::Linux, &[])), None);
    }

    #[test]
    fn a_proxy_must_leave_out_what_is_ours() {
        let hosts = ["127.0.0.1".to_owned(), "studio.lan".to_owned()];
        for (without, verdict) in [
            ("", Verdict::Note),
            ("127.0.0.1", Verdict::Note),
            ("127.0.0.1,studio.lan", Verdict::Good),
            ("127.0.0.0/8, .lan", Verdict::Good),
            ("127.0.0.1,an", Verdict::Note),
            ("*", Verdict::Good),
        ] {
            let env =
                Env::of(Platform::Linux, &[("http_proxy", "http://u:secret@p:1"), ("no_proxy", without)]);
            let line = proxy(&env, &hosts).unwrap();
            assert_eq!(line.verdict, verdict, "{without}: {line:?}");
            assert!(!format!("{line:?}").contains("secret"));
        }
        assert_eq!(proxy(&Env::of(Platform::Linux, &[]), &hosts), None);
    }
}
