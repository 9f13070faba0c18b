//! What is believed of a heartbeat and what is refused, one row for each lie.

use herdwick_fleet::Claim;
use serde_json::{Value, json};

use crate::machine::{
    BandwidthFacts, CARDS, CardFacts, CardsFacts, DiskFacts, HeatFacts, HostFacts, MachineFacts, MemoryFacts,
    PowerFacts, PressureFacts, SENSORS, SensorFacts,
};

use super::*;

fn seen() -> Seen {
    Seen { node: NodeId::from_key(&[1; 32]), address: [10, 0, 0, 5].into(), at: Moment(7) }
}

fn model(name: &str) -> Model {
    Model {
        name: ModelName::parse(name).unwrap(),
        listed_as: name.to_owned(),
        digest: "a".repeat(64),
        bytes: 5_200_000_000,
        modified_at: "2026-11-01T11:18:54.123456789+01:00".to_owned(),
        format: "gguf".to_owned(),
        family: "qwen3".to_owned(),
        parameter_size: "8.2B".to_owned(),
        quantization: "Q4_K_M".to_owned(),
    }
}

/// What an agent of a busy machine says every second.
fn beat() -> Beat {
    let mut server = ServerBeat::new(BackendKind::Ollama, 11434);
    server.forward = Some(ForwardBeat { port: 11436, bearer: "0123456789abcdef0123456789abcdef".to_owned() });
    server.tell(&Claim::Version("0.12.11".to_owned()));
    server.tell(&Claim::Models(["qwen3:8b", "llama3.2:3b"].map(model).to_vec()));
    let loaded = Loaded {
        bytes: 6_400_000_000,
        vram_bytes: 6_400_000_000,
        context_tokens: Some(8_192),
        expires_at: "2026-11-01T11:18:54.123456789+01:00".into(),
    };
    let names = ["qwen3:8b", "llama3.2:3b", "nomic-embed-text:latest"];
    let resident = names.map(|name| ResidentClaim { name: model(name).name, loaded: loaded.clone() });
    server.tell(&Claim::Resident(resident.to_vec()));
    (server.slots, server.max_loaded, server.keep_alive_s, server.age_ms) =
        (Some(4), Some(3), Some(300), 1_850);
    let reading = |(column, _): &(Column, RangeInclusive<f64>)| {
        let value = match column.name() {
            name if name.ends_with('s') => 123_456_789_012.0,
            name if name.ends_with("ratio") => 0.5,
            _ => 1.0,
        };
        ReadingBeat { name: column.name().to_owned(), value, age_ms: 950 }
    };
    Beat {
        name: "studio".to_owned(),
        version: "0.1.0".to_owned(),
        boot: "0123456789abcdef".to_owned(),
        session: "f".repeat(48),
        seq: 86_400,
        interval_ms: 1_000,
        draining: false,
        other_routers: 1,
        servers: vec![server],
        readings: COLUMNS.iter().map(reading).collect(),
        facts: None,
    }
}

/// The problems of a beat of which `change` made something else.
fn problems(change: impl FnOnce(&mut Beat)) -> Vec<String> {
    let mut beat = beat();
    change(&mut beat);
    beat.report(seen()).err().unwrap_or_default()
}

#[test]
fn a_good_beat_is_taken_for_what_it_says() {
    let body = serde_json::to_vec(&beat()).unwrap();
    let report = Beat::read(&body).unwrap().report(seen()).unwrap();
    assert_eq!((report.node, report.address, report.at), (seen().node, seen().address, Moment(7)));
    assert_eq!(report.agent, Agent::Herdwick { version: "0.1.0".to_owned() });
    assert_eq!((report.interval, report.draining, report.other_routers), (Duration::from_secs(1), false, 1));
    let [server] = &report.servers[..] else { panic!("one server") };
    assert_eq!(
        (server.kind, server.port, server.slots, server.max_loaded),
        (BackendKind::Ollama, 11434, Some(4), Some(3))
    );
    assert_eq!(
        (server.keep_alive, server.age),
        (Some(Duration::from_secs(300)), Duration::from_millis(1_850))
    );
    assert_eq!(
        server.door,
        Door::Forwarded { port: 11436, bearer: "0123456789abcdef0123456789abcdef".into() }
    );
    assert_eq!(server.models, Some(["qwen3:8b", "llama3.2:3b"].map(model).to_vec()));
    assert_eq!(server.resident[0].loaded.context_tokens, Some(8_192));
    assert_eq!(report.readings.len(), COLUMNS.len());
    let without = Beat { servers: vec![beat().servers[0].without_list()], ..beat() };
    assert_eq!(without.report(seen()).unwrap().servers[0].models, None);
    let for_ever = problems(|beat| beat.servers[0].keep_alive_s = Some(-1));
    assert_eq!(for_ever, Vec::<String>::new());
}

#[test]
fn a_steady_beat_is_small() {
    let mut steady = beat();
    steady.servers[0] = steady.servers[0].without_list();
    let bytes = serde_json::to_vec(&steady).unwrap().len();
    assert!(bytes <= 2_000, "{bytes} bytes");
    let mut list = ServerBeat::new(BackendKind::Ollama, 11434);
    let models: Vec<_> =
        (0..limits::MODELS).map(|n| model(&format!("hf.co/somebody/some-model-{n}:q4_k_m"))).collect();
    assert_eq!(list.tell(&Claim::Models(models)), 0, "as many models as are taken have room in a list");
    steady.servers[0] = list;
    assert!(serde_json::to_vec(&steady).unwrap().len() < limits::BODY);
    assert!(steady.report(seen()).is_ok());
}

/// All that an agent can tell people of a machine, at its longest.
fn facts() -> MachineFacts {
    let sensor = SensorFacts {
        name: "coretemp Package id 0".to_owned(),
        celsius: 100.5,
        slows_at: Some(100.0),
        ends_at: Some(105.0),
    };
    let card = CardFacts {
        name: "NVIDIA GeForce RTX 4090".to_owned(),
        memory_total: Some(25_757_220_864),
        memory_free: Some(25_757_220_864),
        ..CardFacts::default()
    };
    MachineFacts {
        host: Some(HostFacts { cpu: "Intel(R) Xeon(R)".to_owned(), cpus: 64, ..HostFacts::default() }),
        memory: Some(MemoryFacts { total: 1 << 40, available: 1 << 39, ..MemoryFacts::default() }),
        pressure: Some(PressureFacts { memory_some: Some(0.5), ..PressureFacts::default() }),
        heat: Some(HeatFacts { age_ms: 5_000, sensors: vec![sensor; SENSORS], throttled: Some(true) }),
        power: Some(PowerFacts { age_ms: 5_000, on_battery: true, charge: Some(0.5) }),
        disk: Some(DiskFacts { path: "/models".to_owned(), total: 2, free: 1, age_ms: 0 }),
        bandwidth: Some(BandwidthFacts { age_ms: 86_400_000, bytes_per_s: 3.35e12 }),
        cards: Some(CardsFacts { age_ms: 1_000, cards: vec![card; CARDS] }),
    }
}

#[test]
fn facts_are_taken_as_they_are_told() {
    assert_eq!(problems(|beat| beat.facts = Some(facts())), Vec::<String>::new());
    assert_eq!(problems(|beat| beat.facts = Some(MachineFacts::default())), Vec::<String>::new());
    let newer = r#"{"heat":{"sensors":[],"from_a_later_version":1},"another":{}}"#;
    let facts: MachineFacts = serde_json::from_str(newer).unwrap();
    assert_eq!(problems(|beat| beat.facts = Some(facts)), Vec::<String>::new());
}

#[test]
fn a_machine_that_cannot_be_is_refused() {
    type Change = fn(&mut MachineFacts);
    fn heat(facts: &mut MachineFacts) -> &mut HeatFacts {
        facts.heat.as_mut().unwrap()
    }
    fn memory(facts: &mut MachineFacts) -> &mut MemoryFacts {
        facts.memory.as_mut().unwrap()
    }
    fn card(facts: &mut MachineFacts) -> &mut CardFacts {
        &mut facts.cards.as_mut().unwrap().cards[0]
    }
    let rows: [(Change, &str); 21] = [
        (|f| heat(f).sensors[0].celsius = -273.15, "facts.heat.sensors[0].celsius: -273.15; it lies between"),
        (|f| heat(f).sensors[1].celsius = 65_535.0, "facts.heat.sensors[1].celsius: 65535"),
        (|f| heat(f).sensors[0].celsius = 127.0, "celsius: 127;"),
        (|f| heat(f).sensors[0].celsius = f64::NAN, "celsius: NaN;"),
        (|f| heat(f).sensors[0].slows_at = Some(-274.0), "slows_at: -274"),
        (|f| heat(f).sensors[0].name = "\u{1b}[2J".to_owned(), "sensors[0].name: "),
        (
            |f| heat(f).sensors = vec![SensorFacts::default(); SENSORS + 1],
            "sensors: there are 13; 12 are taken",
        ),
        (|f| heat(f).age_ms = u64::MAX, "facts.heat.age_ms: it is 18446744073709551615 ms old"),
        (|f| memory(f).total = 10_u64.pow(18), "facts.memory.total: 1000000000000000000; no machine"),
        (|f| memory(f).available = (1 << 40) + 1, "facts.memory.available: 1099511627777; it is a part of"),
        (|f| memory(f).swap_used = 1, "facts.memory.swap_used: 1; it is a part of 0"),
        (|f| memory(f).installed = Some(u64::MAX), "facts.memory.installed: "),
        (|f| f.pressure.as_mut().unwrap().cpu_some = Some(1.01), "facts.pressure.cpu_some: 1.01"),
        (|f| f.power.as_mut().unwrap().charge = Some(-0.01), "facts.power.charge: -0.01"),
        (|f| f.disk.as_mut().unwrap().path = "x".repeat(201), "facts.disk.path: "),
        (|f| f.disk.as_mut().unwrap().free = 3, "facts.disk.free: 3; it is a part of 2"),
        (|f| f.bandwidth.as_mut().unwrap().bytes_per_s = f64::INFINITY, "facts.bandwidth.bytes_per_s: inf"),
        (|f| f.host.as_mut().unwrap().cpus = 1 << 20, "facts.host.cpus: 1048576; at most"),
        (|f| card(f).memory_free = Some(1 << 49), "facts.cards.cards[0].memory_free: "),
        (|f| card(f).watts = Some(1e9), "facts.cards.cards[0].watts: 1000000000"),
        (|f| f.cards.as_mut().unwrap().cards = vec![CardFacts::default(); CARDS + 1], "cards: there are 17"),
    ];
    for (change, expected) in rows {
        let told = problems(|beat| {
            let mut facts = facts();
            change(&mut facts);
            beat.facts = Some(facts);
        });
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?} and not {expected:?}");
    }
}

#[test]
fn readings_that_cannot_be_are_refused() {
    for (column, value) in [
        (Column::Thermal, 4.0),
        (Column::Thermal, 1.5),
        (Column::MemPressure, -1.0),
        (Column::Throttled, 0.5),
        (Column::Battery, f64::NAN),
        (Column::CpuBusy, 1.01),
        (Column::MemTotal, 1e18),
        (Column::MemSystem, -1.0),
        (Column::Bandwidth, 0.0),
        (Column::Bandwidth, 1e18),
    ] {
        let reading = ReadingBeat { name: column.name().to_owned(), value, age_ms: 0 };
        let told = problems(|beat| beat.readings = vec![reading]);
        assert!(told.len() == 1 && told[0].contains(column.name()), "{column} {value}: {told:?}");
    }
}

#[test]
fn every_lie_is_told_with_its_field_its_cause_and_what_to_do() {
    type Change = fn(&mut Beat);
    let rows: [(Change, &str); 33] = [
        (|b| b.name = "stu dio".into(), "name: \"stu dio\"; take 1 to 63"),
        (|b| b.name = String::new(), "name: \"\"; take"),
        (|b| b.name = "x".repeat(64), "name: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"…; take"),
        (|b| b.version = "1\u{1b}[2J".into(), "version: \"1\\u{1b}[2J\"; leave out"),
        (|b| b.version = "x".repeat(201), "has 201 bytes; 200 are taken"),
        (|b| b.boot = "0123".into(), "boot: \"0123\"; draw 16"),
        (|b| b.boot = "0123456789ABCDEF".into(), "boot: "),
        (|b| b.interval_ms = 0, "interval_ms: 0; beat every 100 to 60000 ms"),
        (|b| b.interval_ms = u64::MAX, "interval_ms: 18446744073709551615; beat"),
        (|b| b.other_routers = 5_000, "other_routers: 5000; at most"),
        (|b| b.servers = vec![b.servers[0].clone(); 17], "servers: there are 17; 16 are taken"),
        (|b| b.readings = vec![b.readings[0].clone(); 65], "readings: there are 65; 64 are taken"),
        (|b| b.servers[0].port = 0, "servers[0].port: 0 is no port; tell"),
        (|b| b.servers.push(b.servers[0].clone()), "servers[1].port: 11434 stands twice; tell"),
        (|b| b.servers[0].port = 11436, "servers[0].forward.port: 11436 stands twice"),
        (
            |b| b.servers[0].forward = Some(ForwardBeat { port: 0, bearer: "x".repeat(32) }),
            "forward.port: 0 is no",
        ),
        (
            |b| b.servers[0].forward = Some(ForwardBeat { port: 9, bearer: "short".into() }),
            "bearer: it is no token",
        ),
        (
            |b| b.servers[0].forward = Some(ForwardBeat { port: 9, bearer: "x\r\n".repeat(9) }),
            "bearer: it is no token",
        ),
        (|b| b.servers[0].kind = String::new(), "servers[0].kind: \"\"; tell one"),
        (|b| b.servers[0].version = "\n".into(), "servers[0].version: "),
        (|b| b.servers[0].down = Some("x".repeat(500)), "servers[0].down: "),
        (|b| b.servers[0].slots = Some(0), "servers[0].slots: 0; leave it out"),
        (|b| b.servers[0].slots = Some(1 << 20), "servers[0].slots: 1048576; at most"),
        (|b| b.servers[0].foreign = u32::MAX, "servers[0].foreign: 4294967295; at most"),
        (|b| b.servers[0].age_ms = u64::MAX, "servers[0].age_ms: it is 18446744073709551615 ms old; leave"),
        (|b| b.servers[0].models_hash = "no hash".into(), "servers[0].models_hash: \"no hash\"; it has 16"),
        (|b| b.servers[0].models_hash = "0".repeat(16), "it is not that of the list beside it"),
        (
            |b| b.servers[0].resident[1].name = "a b".into(),
            "servers[0].resident[1].name: \"a b\": ' ' is not",
        ),
        (|b| b.servers[0].resident[1].vram_bytes = u64::MAX, "servers[0].resident[1].vram_bytes: "),
        (|b| b.servers[0].resident[1].context_tokens = Some(u32::MAX), "resident[1].context_tokens: "),
        (|b| b.readings[0].value = -1.0, "readings[mem.total-bytes]: -1; it lies between 0 and"),
        (|b| b.readings[0].age_ms = 60_001, "readings[mem.total-bytes]: it is 60001 ms old; leave"),
        (|b| b.readings.push(b.readings[0].clone()), "readings[mem.total-bytes]: it stands twice"),
    ];
    for (change, told) in rows {
        let problems = problems(change);
        assert!(problems.iter().any(|problem| problem.contains(told)), "{told}: {problems:?}");
        assert!(
            problems.iter().all(|problem| problem.contains("; ") || problem.starts_with("and ")),
            "{problems:?}"
        );
        assert!(problems.iter().all(|problem| problem.len() < 300), "{problems:?}");
    }
}

#[test]
fn a_number_that_is_none_is_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.5] {
        assert_eq!(problems(|beat| beat.readings[1].value = value).len(), 1, "{value}");
    }
    let body = serde_json::to_string(&beat()).unwrap();
    assert!(Beat::read(body.as_bytes()).is_ok());
    for (number, told) in [
        // No JSON has these; they are what some languages write.
        ("NaN", "expected value"),
        ("Infinity", "expected value"),
        ("1e999", "number out of range"),
        ("null", "invalid type: null, expected f64"),
        ("\"1\"", "invalid type: string"),
    ] {
        let body = body.replace("123456789012.0", number);
        let error = Beat::read(body.as_bytes()).unwrap_err();
        assert!(error.contains(told) && error.contains("; use an agent"), "{number}: {error}");
    }
    for (field, number) in
        [("\"vram_bytes\":", "-1"), ("\"port\":", "65536"), ("\"seq\":", "-5"), ("\"slots\":", "1.5")]
    {
        let at = body.find(field).unwrap() + field.len();
        let end = at + body[at..].find(',').unwrap();
        let body = [&body[..at], number, &body[end..]].concat();
        assert!(Beat::read(body.as_bytes()).is_err(), "{field}{number}");
    }
}

#[test]
fn an_error_does_not_repeat_what_somebody_wrote_at_length() {
    let long = format!(r#"{{"name":"x","seq":"{}\u001b[2J"}}"#, "x".repeat(200_000));
    let error = Beat::read(long.as_bytes()).unwrap_err();
    assert!(error.contains("invalid type: string \"xxx") && error.len() < 300, "{}", error.len());
    let odd = Beat::read(br#"{"name":"x","seq":"\u001b[2J\n"}"#).unwrap_err();
    assert!(!odd.contains(char::is_control), "{odd:?}");
    let herd = crate::herd::HerdBeat::read(long.replace("seq", "cpu").as_bytes()).unwrap_err();
    assert!(herd.concat().len() < 300);
}

#[test]
fn a_list_that_is_too_long_is_refused_and_told_in_few_words() {
    let listed = |names: Vec<String>| {
        let models: Vec<_> =
            names.into_iter().map(|name| ModelBeat { name, ..ModelBeat::default() }).collect();
        problems(|beat| {
            beat.servers[0].models_hash = models_hash(&models);
            beat.servers[0].models = Some(models);
        })
    };
    let many = listed((0..10_000).map(|n| format!("m{n}")).collect());
    assert_eq!(many, ["servers[].models: there are 10000; 800 are taken"]);
    let long = listed(vec!["x".repeat(4 << 10)]);
    assert_eq!(
        long,
        [
            "servers[0].models[0].name: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"…: it is longer than 200 characters; leave it out"
        ]
    );
    let bad = listed((0..500).map(|n| format!("bad name {n}")).collect());
    assert_eq!((bad.len(), bad[limits::PROBLEMS].as_str()), (limits::PROBLEMS + 1, "and 488 more"));
}

#[test]
fn what_a_later_version_may_say_is_left_out() {
    let mut body: Value = serde_json::to_value(beat()).unwrap();
    body["servers"][0]["models"] = Value::Null;
    body["news"] = json!({"deep": [1]});
    body["servers"][0]["news"] = json!(true);
    body["readings"].as_array_mut().unwrap().push(json!({"name": "node.news-count", "value": -7.0}));
    // What a router knows better nobody tells it.
    body["readings"].as_array_mut().unwrap().push(json!({"name": "slots.free-count", "value": 9.0}));
    let other = json!({"kind": "of-tomorrow", "port": 9, "models_hash": "0".repeat(16)});
    body["servers"].as_array_mut().unwrap().push(other);
    let report = Beat::read(body.to_string().as_bytes()).unwrap().report(seen()).unwrap();
    assert_eq!((report.servers.len(), report.readings.len()), (1, COLUMNS.len()));
}

#[test]
fn what_the_fuzzer_begins_with_is_good() {
    for (seed, servers) in [
        (include_str!("../../../../../tests/fuzz/seeds/beat/knock.json"), 0),
        // Its hash was made by another program, after the words of `models_hash`.
        (include_str!("../../../../../tests/fuzz/seeds/beat/list.json"), 1),
        (include_str!("../../../../../tests/fuzz/seeds/beat/steady.json"), 2),
    ] {
        let report = Beat::read(seed.as_bytes()).unwrap().report(seen());
        assert_eq!(report.map(|report| report.servers.len()), Ok(servers), "{seed}");
    }
}
