//! The configuration from outside, as texts and made-up variables: which source wins, and what comes of it.

mod refused;
mod shown;

use std::path::Path;
use std::time::Duration;

use herdwick_plugin_host::config::{Grant, Mode, OnFault, PluginConfig, SettingValue};

use super::env::Platform;
use super::{Config, Discovery, DiscoveryFlags, Env, Flags, Paths, Problems, Sources, file};
use crate::requests::Logged;

/// Everything that can be said.
#[derive(Default)]
struct Saying<'a> {
    file: &'a str,
    overrides: &'a str,
    variables: &'a [(&'a str, &'a str)],
    flags: Flags,
}

impl Saying<'_> {
    fn load(&self) -> Result<Config, Problems> {
        let env = Env::of(Platform::Linux, self.variables);
        let overrides = file::table(Path::new("overrides.toml"), self.overrides);
        let file = file::table(Path::new("h.toml"), self.file);
        let sources = Sources::stack(&self.flags, &env, overrides, file);
        Config::of(sources, Paths::find(&env, &self.flags.named), &env)
    }

    fn good(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{}: {problems}", self.file))
    }

    fn told(&self) -> Vec<String> {
        let problems = self.load().expect_err(self.file).to_string();
        problems.split("\n       ").map(str::to_owned).collect()
    }

    /// Key and source of every value that is not a default.
    fn said(&self) -> Vec<(String, String)> {
        let rows = self.good().rows;
        let said = rows.into_iter().map(|row| (row.key, row.source.source()));
        said.filter(|(_, source)| source != "default").collect()
    }
}

fn in_file(file: &str) -> Saying<'_> {
    Saying { file, ..Saying::default() }
}

#[test]
fn a_flag_beats_the_environment_beats_overrides_beats_the_file() {
    let mut saying = Saying {
        file: "listen = \"127.0.0.1:1\"\n[limits]\nbody = \"1 MiB\"\n",
        overrides: "\nlisten = \"127.0.0.1:2\"\n",
        variables: &[("HERDWICK_LISTEN", "127.0.0.1:3"), ("HERDWICK_LIMITS__BODY", "3 MiB")],
        flags: Flags { listen: Some("127.0.0.1:4".to_owned()), body_limit: Some(4), ..Flags::default() },
    };
    let holds = |saying: &Saying<'_>, port: u16, mib: usize, sources: [&str; 2]| {
        let config = saying.good();
        assert_eq!((config.listen.port(), config.limits.body_bytes), (port, mib << 20));
        let [listen, body] = sources;
        assert_eq!(
            saying.said(),
            [("listen".to_owned(), listen.to_owned()), ("limits.body".to_owned(), body.to_owned())]
        );
    };
    holds(&saying, 4, 4, ["flag --listen", "flag --body-limit"]);
    saying.flags = Flags::default();
    holds(&saying, 3, 3, ["environment HERDWICK_LISTEN", "environment HERDWICK_LIMITS__BODY"]);
    saying.variables = &[];
    holds(&saying, 2, 1, ["overrides.toml:2", "h.toml:3"]);
    saying.overrides = "";
    holds(&saying, 1, 1, ["h.toml:1", "h.toml:3"]);
    saying.file = "";
    assert_eq!(saying.said(), []);
}

#[test]
fn flags_of_the_search_switch_it_and_a_demo_searches_for_nobody() {
    let check = |flags: DiscoveryFlags, demo: bool, [mdns, probe, adopt_herd_nodes]: [bool; 3]| {
        let saying = Saying {
            file: "discovery.probe = true",
            flags: Flags { discovery: flags, demo, ..Flags::default() },
            ..Saying::default()
        };
        assert_eq!(saying.good().discovery, Discovery { mdns, probe, adopt_herd_nodes }, "{flags:?}");
    };
    let none = DiscoveryFlags::default();
    check(none, false, [true, true, false]);
    check(DiscoveryFlags { no_mdns: true, ..none }, false, [false, true, false]);
    check(DiscoveryFlags { adopt_herd_nodes: true, probe: true, ..none }, false, [true, true, true]);
    check(DiscoveryFlags { probe: true, ..none }, true, [false, false, false]);
}

#[test]
fn every_key_reaches_the_part_that_it_is_for() {
    let config = in_file(
        r#"
        listen = "[::1]:8080"
        allowed_hosts = ["ai.example.com", "10.0.0.9"]
        allowed_origins = ["https://Chat.example.com/"]
        allowed_sources = ["203.0.113.0/24", "::1"]
        nodes = [
            { url = "http://10.0.0.5", labels = { room = "office" } },
            { url = "mini:80", name = "m", slots = 4, kind = "ollama" },
        ]
        [routing]
        wait_max = "2m"
        retry_attempts = 3
        [queue]
        max_requests = 7
        [limits]
        body = "2 GiB"
        header_timeout = "1500ms"
        connections = 9
        connections_per_client = 8
        bodies_total = "1 GiB"
        body_timeout = "9s"
        idle_timeout = "11s"
        drain = "7s"
        [telemetry]
        log_requests = "failures"
        [discovery]
        mdns = false
        probe = true
        adopt_herd_nodes = true
        [node]
        name = "studio"
        routers = ["attic", "10.0.0.1:80"]
        backends = ["vllm=http://127.0.0.1:8000"]
        port = 12000
        meeting = false
        [plugins]
        auto_enable = false
        [plugins.queue-depth]
        enabled = false
        weight = 2
        mode = "shadow"
        on_fault = "reject"
        grants = ["http", "veto", "http"]
        settings = { a = 1, b = "x", c = true, d = ["y"] }
        [plugins.other]
        "#,
    )
    .good();
    assert_eq!(config.listen.to_string(), "[::1]:8080");
    assert_eq!(config.trust.hosts, ["ai.example.com", "10.0.0.9"]);
    assert_eq!(config.trust.origins, ["https://chat.example.com".parse().unwrap()]);
    assert_eq!(config.trust.sources, ["203.0.113.0/24".parse().unwrap(), "::1/128".parse().unwrap()]);
    let nodes: Vec<_> =
        config.nodes.iter().map(|n| (n.name.as_str(), n.origin.to_string(), n.slots)).collect();
    assert_eq!(
        nodes,
        [("10.0.0.5", "http://10.0.0.5:11434".into(), None), ("m", "http://mini:80".into(), Some(4))]
    );
    assert_eq!(config.nodes[0].labels["room"], "office");
    let limits = config.limits;
    assert_eq!(limits.wait, Duration::from_secs(120));
    assert_eq!((limits.retries, limits.waiting, limits.connections), (3, 7, 9));
    assert_eq!((limits.body_bytes, limits.head_patience), (2 << 30, Duration::from_millis(1_500)));
    assert_eq!((limits.drain, limits.idle), (Duration::from_secs(7), Duration::from_secs(11)));
    assert_eq!((limits.bodies_total, limits.body_patience), (1 << 30, Duration::from_secs(9)));
    assert_eq!(limits.connections_per_client, 8);
    assert_eq!(config.log_requests, Logged::Failures);
    assert_eq!(config.discovery, Discovery { mdns: false, probe: true, adopt_herd_nodes: true });
    let node = &config.node;
    assert_eq!((node.name.as_deref(), node.port), (Some("studio"), 12_000));
    assert!(!node.meeting);
    let routers: Vec<_> = node.routers.iter().map(ToString::to_string).collect();
    assert_eq!(routers, ["attic:11435", "10.0.0.1:80"]);
    assert_eq!(node.backends[0].to_string(), "vllm=http://127.0.0.1:8000");
    assert!(!config.plugins.auto_enable);
    assert_eq!(config.plugins.plugins["other"], PluginConfig::default());
    let plugin = &config.plugins.plugins["queue-depth"];
    let expected = PluginConfig {
        enabled: Some(false),
        weight: 2.0,
        mode: Mode::Shadow,
        on_fault: Some(OnFault::Reject),
        grants: vec![Grant::Veto, Grant::Http],
        settings: [
            ("a", SettingValue::Number(1.0)),
            ("b", SettingValue::Text("x".into())),
            ("c", SettingValue::Flag(true)),
            ("d", SettingValue::Texts(vec!["y".into()])),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
    };
    assert_eq!(*plugin, expected);
}

#[test]
fn a_plugin_is_put_together_from_all_sources() {
    let config = Saying {
        file: "[plugins.a-b]\nweight = 2\nsettings = { x = 1, y = 1, z = 1 }\n",
        overrides: "[plugins.a-b]\nsettings.x = 2\n",
        variables: &[
            ("HERDWICK_PLUGINS__A_B__SETTINGS__Y", "three"),
            ("HERDWICK_PLUGINS__A_B__SETTINGS__Z", "true"),
            ("HERDWICK_PLUGINS__A_B__GRANTS", "veto, content"),
            ("HERDWICK_PLUGINS__C__WEIGHT", "0.5"),
            ("HERDWICK_PLUGINS__C__ENABLED", "false"),
        ],
        ..Saying::default()
    }
    .good();
    let plugin = &config.plugins.plugins["a-b"];
    assert_eq!((plugin.weight, plugin.grants.as_slice()), (2.0, &[Grant::Veto, Grant::Content][..]));
    assert_eq!(plugin.settings["x"], SettingValue::Number(2.0));
    assert_eq!(plugin.settings["y"], SettingValue::Text("three".into()));
    assert_eq!(plugin.settings["z"], SettingValue::Flag(true));
    let other = &config.plugins.plugins["c"];
    assert_eq!((other.weight, other.enabled), (0.5, Some(false)));
}

#[test]
fn nodes_come_from_one_source_alone() {
    let names = |saying: Saying<'_>| -> Vec<String> {
        saying.good().nodes.into_iter().map(|node| node.name).collect()
    };
    let file = "[[nodes]]\nurl = \"a\"\n[[nodes]]\nurl = \"b\"\n";
    let variables = &[("HERDWICK_NODES", "c=http://10.0.0.5,slots=4 d")][..];
    let flags = Flags { nodes: vec!["e".to_owned()], ..Flags::default() };
    let demo = Flags { demo: true, ..Flags::default() };
    assert_eq!(names(in_file("")), ["local"]);
    assert_eq!(names(in_file("nodes = []")), Vec::<String>::new());
    assert_eq!(names(in_file(file)), ["a", "b"]);
    assert_eq!(names(Saying { file, variables, ..Saying::default() }), ["c", "d"]);
    assert_eq!(names(Saying { file, variables, flags, ..Saying::default() }), ["e"]);
    assert_eq!(names(Saying { file, variables, flags: demo, ..Saying::default() }), Vec::<String>::new());
    let twice = Saying { variables: &[("HERDWICK_NODES", "a a")], ..Saying::default() };
    assert_eq!(twice.told(), ["HERDWICK_NODES: \"a\": http://a:11434 is named twice"]);
}
