//! Bodies in the shape that `herd-node` sends, and what becomes of them.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;

/// In the shape of what an agent on a Mac sends.
const MAC: &str = include_str!("mac.json");
/// What `herd-node` 0.11.4 sent on Linux in front of an Ollama with two models; only the machine's own numbers are others.
const LINUX: &str = include_str!("linux.json");
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

fn from_a_mac() -> Value {
    serde_json::from_str(MAC).unwrap()
}

fn report(body: &Value, is_listed: bool) -> Report {
    match HerdBeat::read(body.to_string().as_bytes()).unwrap() {
        HerdBeat::Alive(alive) => alive.report(HERE, Moment(7), is_listed),
        HerdBeat::Leaves { .. } => panic!("it is alive"),
    }
}

fn problems(change: impl FnOnce(&mut Value)) -> String {
    let mut body = from_a_mac();
    change(&mut body);
    HerdBeat::read(body.to_string().as_bytes()).err().unwrap_or_default().join("\n")
}

#[test]
fn a_heartbeat_of_herd_is_a_report_as_any_other() {
    let report = report(&from_a_mac(), false);
    assert_eq!(report.node, NodeId::from_claim("Adas-Mac-Studio", HERE));
    assert_eq!((report.name.as_str(), report.address, report.draining), ("Adas-Mac-Studio", HERE, false));
    assert_eq!(report.agent, Agent::Herd { version: "0.8.1".to_owned() });
    let [server] = &report.servers[..] else { panic!("one server") };
    assert_eq!(
        (server.port, &server.door, server.slots, server.max_loaded),
        (11434, &Door::Direct, Some(4), Some(3))
    );
    assert_eq!(server.version, "0.12.11");
    let models = server.models.as_ref().unwrap();
    let facts: Vec<_> =
        models.iter().map(|model| (model.listed_as.as_str(), model.digest.as_str(), model.bytes)).collect();
    assert_eq!(
        facts,
        [("qwen3:8b", "500a1f067a9f", 5_200_000_000), ("llama3.2:3b", "a80c4f17acd5", 2_000_000_000)]
    );
    let [resident] = &server.resident[..] else { panic!("one model") };
    assert_eq!((resident.name.as_str(), resident.loaded.bytes), ("qwen3:8b", 6 << 30));
    assert_eq!(resident.loaded.context_tokens, Some(8_192));
    let reading =
        |column| report.readings.iter().find(|(told, ..)| *told == column).map(|(_, value, _)| *value);
    assert_eq!(reading(Column::CpuBusy), Some(0.125));
    assert_eq!(reading(Column::MemFree), Some(131.5 * GIB));
    assert_eq!(reading(Column::Bandwidth), Some(8e11));
    assert_eq!(reading(Column::Availability), Some(0.75));
    assert_eq!(reading(Column::Thermal), Some(0.0));
}

#[test]
fn what_the_real_agent_sent_is_understood() {
    let report = report(&serde_json::from_str(LINUX).unwrap(), true);
    assert_eq!(
        (report.name.as_str(), &report.agent),
        ("mini", &Agent::Herd { version: "0.11.4".to_owned() })
    );
    let [server] = &report.servers[..] else { panic!("one server") };
    // It says 0 where its Ollama does not tell.
    assert_eq!((server.port, server.slots, server.max_loaded), (11434, None, None));
    let models: Vec<_> =
        server.models.iter().flatten().map(|model| (&*model.listed_as, model.bytes)).collect();
    assert_eq!(models, [("m:1b", 2_000_000_000), ("n:2b", 2_000_000_000)]);
    assert_eq!((server.resident.len(), server.resident[0].loaded.context_tokens), (1, Some(4_096)));
    let told: Vec<_> = report.readings.iter().map(|(column, ..)| *column).collect();
    // Its bandwidth is 0 and its heat unknown, and its memory is not its GPU's.
    assert_eq!(told, [Column::CpuBusy, Column::MemSystem, Column::MemPressure]);
}

#[test]
fn facts_that_are_null_are_as_before_and_told_once_to_whoever_has_no_list() {
    let mut body = from_a_mac();
    body["ollama"]["models_available_meta"] = Value::Null;
    assert_eq!(report(&body, true).servers[0].models, None);
    let models = report(&body, false).servers[0].models.clone().unwrap();
    assert_eq!((models.len(), models[0].bytes, models[0].digest.as_str()), (2, 5_200_000_000, ""));
}

#[test]
fn the_least_that_its_own_router_takes_is_enough() {
    let least = json!({"node_id": "n", "cpu": {"cores_physical": 8, "utilization_pct": 3.0},
        "memory": {"total_gb": 16.0, "used_gb": 8.0, "available_gb": 8.0}, "ollama": {}});
    let report = report(&least, false);
    assert_eq!((report.servers[0].port, report.servers[0].models.as_deref()), (11434, Some(&[][..])));
    // Not a Mac: its memory is not that of its GPU.
    assert!(report.readings.iter().all(|(column, ..)| *column != Column::MemFree));
    let leaves = HerdBeat::read(br#"{"node_id":"n","draining":true}"#).unwrap();
    assert_eq!(leaves, HerdBeat::Leaves { node_id: "n".to_owned() });
    let mut leaving = from_a_mac();
    leaving["draining"] = json!(true);
    assert!(self::report(&leaving, true).draining);
}

#[test]
fn an_address_in_the_body_is_worth_its_port() {
    for (host, port) in [
        (json!("http://169.254.169.254:8080"), 8080),
        (json!("evil.example:9"), 9),
        (json!("http://127.0.0.1:11434/"), 11434),
        (json!(null), 11434),
        (json!(""), 11434),
    ] {
        let mut body = from_a_mac();
        body["ollama_host"] = host.clone();
        let report = report(&body, true);
        assert_eq!((report.address, report.servers[0].port), (HERE, port), "{host}");
    }
}

#[test]
fn what_is_wrong_is_told_and_what_is_nonsense_is_left_out() {
    type Change = fn(&mut Value);
    let rows: [(Change, &str); 9] = [
        (|b| b["node_id"] = json!(""), "node_id: it is no name; tell"),
        (|b| b["node_id"] = json!("x".repeat(201)), "node_id: "),
        (|b| b["node_id"] = json!(null), "node_id: "),
        (|b| b["cpu"] = json!(null), "cpu: it is not there; use"),
        (|b| b["ollama"] = json!(null), "ollama: it is not there"),
        (|b| b["ollama_host"] = json!("http://x:0"), "ollama_host: \"0\" is no port"),
        (|b| b["memory"]["total_gb"] = json!("much"), "invalid type: string \"much\", expected f64"),
        (|b| b["ollama"]["models_available"] = json!(vec!["m"; 801]), "models_available: 800 are taken"),
        (
            |b| b["ollama"]["models_loaded"] = json!(vec![json!({"name": "m"}); 65]),
            "models_loaded: 64 are taken",
        ),
    ];
    for (change, told) in rows {
        let problems = problems(change);
        assert!(problems.contains(told), "{told}: {problems}");
    }
    let long = problems(|b| b["ollama_host"] = json!("\u{1b}".repeat(10_000)));
    assert!(long.len() < 300 && !long.contains('\u{1b}'), "{long}");
    let mut body = from_a_mac();
    body["cpu"]["utilization_pct"] = json!(-3.0);
    body["memory"]["total_gb"] = json!(1e300);
    body["ollama"]["models_loaded"][0]["size_gb"] = json!(-1.0);
    body["ollama"]["num_parallel"] = json!(0);
    let report = report(&body, true);
    assert!(report.readings.iter().all(|(column, ..)| ![Column::CpuBusy, Column::MemTotal].contains(column)));
    assert_eq!((report.servers[0].resident[0].loaded.bytes, report.servers[0].slots), (0, None));
    assert!(HerdBeat::read(MAC.replace("12.5", "NaN").as_bytes()).is_err());
}
