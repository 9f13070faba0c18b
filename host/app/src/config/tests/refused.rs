//! What is refused, and in which words.

use super::super::Flags;
use super::{Saying, in_file};

#[test]
fn every_mistake_in_a_file_is_told_with_its_place_and_a_way_out() {
    for (text, told) in [
        // Unknown keys, at the key.
        ("lissten = \"x\"", "h.toml:1:1: unknown key \"lissten\"; did you mean \"listen\"?"),
        ("\n  [limitz]\nbody = 1", "h.toml:2:4: unknown key \"limitz\"; did you mean \"limits\"?"),
        ("[limits]\nbodi = 1", "h.toml:2:1: unknown key \"limits.bodi\"; did you mean \"limits.body\"?"),
        ("wait_max = \"1s\"", "h.toml:1:1: unknown key \"wait_max\"; did you mean \"routing.wait_max\"?"),
        ("[queue]\nlisten = \"x\"", "h.toml:2:1: unknown key \"queue.listen\"; did you mean \"listen\"?"),
        (
            "colour = 1",
            "h.toml:1:1: unknown key \"colour\"; possible here: allowed_hosts, allowed_origins, allowed_sources, discovery, limits, listen, models, node, nodes, plugins, queue, routing, telemetry",
        ),
        (
            "plugins.auto_enabled = true",
            "h.toml:1:9: unknown key \"plugins.auto_enabled\"; did you mean \"plugins.auto_enable\"?",
        ),
        (
            "[plugins.a]\nwieght = 1",
            "h.toml:2:1: unknown key \"plugins.a.wieght\"; did you mean \"plugins.a.weight\"?",
        ),
        (
            "[[nodes]]\nurl = \"a\"\nslot = 1",
            "h.toml:3:1: unknown key \"nodes.slot\"; did you mean \"nodes.slots\"?",
        ),
        (
            "[[nodes]]\nurl = \"a\"\ncolour = 1",
            "h.toml:3:1: unknown key \"nodes.colour\"; possible here: kind, labels, name, slots, url",
        ),
        (
            "\"limits.body\" = \"1 MiB\"",
            "h.toml:1:1: unknown key \"limits.body\"; a dot between two names stands outside quotes",
        ),
        // Keys of later versions.
        ("trust = \"paired\"", "h.toml:1:1: \"trust\" is not in this version yet"),
        ("[discovery]\nmdns = 1", "h.toml:2:8: discovery.mdns: expected true or false, found the number 1"),
        ("routing.takeover = \"off\"", "h.toml:1:9: \"routing.takeover\" is not in this version yet"),
        (
            "[[nodes]]\nurl = \"a\"\napi_key = \"${A}\"",
            "h.toml:3:1: \"nodes.api_key\" is not in this version yet",
        ),
        (
            "[[nodes]]\nurl = \"a\"\nkind = \"openai\"",
            "h.toml:3:8: nodes.kind: \"openai\" is not in this version yet, only \"ollama\" is",
        ),
        // Values of a wrong type, at the value.
        (
            "listen = 1",
            "h.toml:1:10: listen: expected an address like \"127.0.0.1:11435\", found the number 1",
        ),
        ("limits = 3", "h.toml:1:1: limits: expected a table, found the number 3"),
        ("nodes = 3", "h.toml:1:9: nodes: expected a list of tables, written [[nodes]], found the number 3"),
        ("[nodes]", "h.toml:1:1: nodes: expected a list of tables, written [[nodes]], found a table"),
        ("nodes = [\"a\"]", "h.toml:1:10: nodes: expected a table, written [[nodes]], found the text \"a\""),
        (
            "limits.body = 33",
            "h.toml:1:15: limits.body: expected a size like \"32 MiB\", found the number 33",
        ),
        (
            "routing.wait_max = 1.5",
            "h.toml:1:20: routing.wait_max: expected a duration like \"120s\", found the number 1.5",
        ),
        (
            "queue.max_requests = \"1\"",
            "h.toml:1:22: queue.max_requests: expected a whole number from 0 to 100000, found the text \"1\"",
        ),
        (
            "plugins.auto_enable = 1979-05-27",
            "h.toml:1:23: plugins.auto_enable: expected true or false, found a date",
        ),
        ("plugins.a.grants = true", "h.toml:1:20: plugins.a.grants: expected a list of texts, found true"),
        ("plugins.a.settings = 1", "h.toml:1:11: plugins.a.settings: expected a table, found the number 1"),
        (
            "plugins.a.settings.b = {}",
            "h.toml:1:24: plugins.a.settings.b: expected a number, a text, true or false, or a list of texts, \
             found a table",
        ),
        (
            "plugins.a.settings.b = [1]",
            "h.toml:1:25: plugins.a.settings.b: expected a text, found the number 1",
        ),
        // Values that cannot be.
        (
            "listen = \"here\"",
            "h.toml:1:10: listen: \"here\" is no address; write it like 127.0.0.1:11435 or 0.0.0.0:11435",
        ),
        (
            "limits.body = \"32 MB\"",
            "h.toml:1:15: limits.body: \"32 MB\" is no size; write a whole number with B, KiB, MiB or GiB, like \
             \"32 MiB\"",
        ),
        (
            "limits.body = \"1 B\"",
            "h.toml:1:15: limits.body: \"1 B\" is less than \"1 KiB\", the least that is possible",
        ),
        (
            "routing.wait_max = \"2 weeks\"",
            "h.toml:1:20: routing.wait_max: \"2 weeks\" is no duration; write a whole number with ms, s, m, h or \
             d, like \"120s\"",
        ),
        (
            "limits.header_timeout = \"1h\"",
            "h.toml:1:25: limits.header_timeout: \"3600s\" is more than \"600s\", the most that is possible",
        ),
        (
            "routing.retry_attempts = -1",
            "h.toml:1:26: routing.retry_attempts: expected a whole number from 0 to 16, found the number -1",
        ),
        (
            "plugins.a.weight = -0.5",
            "h.toml:1:20: plugins.a.weight: expected a number of 0 or more, found the number -0.5",
        ),
        (
            "plugins.a.weight = nan",
            "h.toml:1:20: plugins.a.weight: expected a number of 0 or more, found the number NaN",
        ),
        (
            "plugins.a.weight = inf",
            "h.toml:1:20: plugins.a.weight: expected a number of 0 or more, found the number inf",
        ),
        (
            "plugins.a.mode = \"shadwo\"",
            "h.toml:1:18: plugins.a.mode: \"shadwo\" is not \"live\" or \"shadow\"; did you mean \"shadow\"?",
        ),
        (
            "plugins.a.on_fault = \"explode\"",
            "h.toml:1:22: plugins.a.on_fault: \"explode\" is not \"ignore\", \"baseline\" or \"reject\"",
        ),
        (
            "plugins.a.grants = [\"veto\", \"htpp\"]",
            "h.toml:1:29: plugins.a.grants: \"htpp\" is not \"veto\", \"http\" or \"content\"; did you mean \
             \"http\"?",
        ),
        (
            "[plugins.Queue_Depth]",
            "h.toml:1:10: \"Queue_Depth\" is no plugin's name, which is 1 to 64 lower-case letters, digits and \
             dashes",
        ),
        (
            "plugins.a.settings.\"b c\" = 1",
            "h.toml:1:20: \"b c\" is no setting's name, which is letters, digits, dashes and underscores",
        ),
        (
            "plugins.a.settings.\"b.c\" = 1",
            "h.toml:1:20: \"b.c\" is no setting's name, which is letters, digits, dashes and underscores",
        ),
        (
            "allowed_hosts = [\"a:80\"]",
            "h.toml:1:18: allowed_hosts: \"a:80\" is no host's name; write it like ai.example.com, without a port",
        ),
        (
            "allowed_hosts = [7]",
            "h.toml:1:18: allowed_hosts: expected a name like \"ai.example.com\", found the number 7",
        ),
        (
            "allowed_origins = [\"*\"]",
            "h.toml:1:20: allowed_origins: \"*\" is no origin; write a scheme, a host and perhaps a port, like \
             https://chat.example.com or http://192.168.1.7:3000, each on its own and without *",
        ),
        (
            "allowed_sources = [\"everybody\"]",
            "h.toml:1:20: allowed_sources: \"everybody\" is no range of addresses; write it like 203.0.113.0/24, \
             2001:db8::/32 or 203.0.113.7",
        ),
        // Nodes.
        (
            "[[nodes]]\nname = \"a\"",
            "h.toml:1:1: nodes: a node needs its url, like \"http://192.168.1.20:11434\"",
        ),
        (
            "[[nodes]]\nurl = \"https://a\"",
            "h.toml:2:7: nodes.url: the scheme \"https\" is not supported, only http",
        ),
        (
            "[[nodes]]\nurl = \"a\"\nname = \"my mac\"",
            "h.toml:3:8: nodes.name: the name \"my mac\" must be 1 to 63 letters, digits, dots, dashes",
        ),
        (
            "[[nodes]]\nurl = \"a\"\nslots = 0",
            "h.toml:3:9: nodes.slots: expected a whole number from 1 to 1024, found the number 0",
        ),
        ("[[nodes]]\nurl = \"a\"\nkind = \"vllm\"", "h.toml:3:8: nodes.kind: \"vllm\" is not \"ollama\""),
        (
            "[[nodes]]\nurl = \"a\"\nlabels = { floor = 2 }",
            "h.toml:3:20: nodes.labels.floor: expected a text, found the number 2",
        ),
        (
            "[[nodes]]\nurl = \"a\"\nlabels = \"x\"",
            "h.toml:3:10: nodes.labels: expected a table of texts like { room = \"office\" }, found the text \"x\"",
        ),
        (
            "[[nodes]]\nurl = \"a\"\n[[nodes]]\nurl = \"http://a:11434\"",
            "h.toml:3:1: nodes: http://a:11434 is named twice",
        ),
        (
            "[[nodes]]\nurl = \"a\"\n[[nodes]]\nurl = \"a:1\"",
            "h.toml:3:1: nodes: two nodes are called \"a\"; give one of them another name",
        ),
        (
            "[node]\nname = \"my mac\"",
            "h.toml:2:8: node.name: the name \"my mac\" must be 1 to 63 letters, digits, dots, dashes",
        ),
        (
            "[node]\nport = 0",
            "h.toml:2:8: node.port: expected a whole number from 1 to 65535, found the number 0",
        ),
        (
            "[node]\nmeetings = false",
            "h.toml:2:1: unknown key \"node.meetings\"; did you mean \"node.meeting\"?",
        ),
        (
            "[node]\nrouters = [\"https://a\"]",
            "h.toml:2:12: node.routers: the scheme \"https\" is not supported, only http",
        ),
        (
            "[node]\nbackends = \"vllm=127.0.0.1\"",
            "h.toml:2:12: node.backends: expected a list of texts, found the text \"vllm=127.0.0.1\"",
        ),
        (
            "[node]\nbackends = [\"vllm=studio\"]",
            "h.toml:2:13: node.backends: \"studio\" is no address; name this machine by one of its own, like 127.0.0.1",
        ),
        // No TOML at all.
        ("listen = ", "h.toml:1:10: this is no TOML: string values must be quoted, expected literal string"),
    ] {
        assert_eq!(in_file(text).told(), [told], "{text}");
    }
}

#[test]
fn all_problems_of_all_sources_are_told_at_once() {
    let saying = Saying {
        file: "listen = 1\n[limits]\nbody = \"x\"\nheader_timeout = true\n[[nodes]]\nslots = 0\n",
        overrides: "[plugins.a]\nweight = -1\n",
        variables: &[("HERDWICK_QUEUE__MAX_REQUESTS", "many"), ("HERDWICK_TRUST", "paired")],
        flags: Flags {
            listen: Some("there".to_owned()),
            nodes: vec!["https://a".to_owned(), "b,slots=x".to_owned()],
            ..Flags::default()
        },
    };
    assert_eq!(
        saying.told(),
        [
            "--listen \"there\" is no address; write it like 127.0.0.1:11435 or 0.0.0.0:11435",
            "--node \"b,slots=x\": slots=x is not a number from 1 to 1024",
            "--node \"https://a\": the scheme \"https\" is not supported, only http",
            "HERDWICK_QUEUE__MAX_REQUESTS: expected a whole number from 0 to 100000, found \"many\"",
            "HERDWICK_TRUST: \"trust\" is not in this version yet",
            "h.toml:1:10: listen: expected an address like \"127.0.0.1:11435\", found the number 1",
            "h.toml:3:8: limits.body: \"x\" is no size; write a whole number with B, KiB, MiB or GiB, like \"32 MiB\"",
            "h.toml:4:18: limits.header_timeout: expected a duration like \"120s\", found true",
            "h.toml:5:1: nodes: a node needs its url, like \"http://192.168.1.20:11434\"",
            "h.toml:6:9: nodes.slots: expected a whole number from 1 to 1024, found the number 0",
            "overrides.toml:2:10: plugins.a.weight: expected a number of 0 or more, found the number -1",
        ]
    );
}

#[test]
fn a_flood_of_problems_is_cut_short() {
    let text: String = (0..60).map(|n| format!("key{n} = 1\n")).collect();
    let told = in_file(&text).told();
    assert_eq!((told.len(), told.last().map(String::as_str)), (51, Some("and 10 more")));
}

#[test]
fn a_variable_that_means_nothing_is_a_warning() {
    let config = Saying {
        variables: &[
            ("HERDWICK_LISSTEN", "x"),
            ("HERDWICK_PLUGINS__A__WIEGHT", "1"),
            ("HERDWICK_LIMITS", "1"),
            ("HERDWICK_LOG", "debug"),
            ("HERDWICK_ROUTER", "http://x"),
        ],
        ..Saying::default()
    }
    .good();
    assert_eq!(
        config.warnings,
        [
            "the variable HERDWICK_LIMITS means nothing here and is ignored",
            "the variable HERDWICK_LISSTEN means nothing here and is ignored; did you mean HERDWICK_LISTEN?",
            "the variable HERDWICK_PLUGINS__A__WIEGHT means nothing here and is ignored; did you mean \
             HERDWICK_PLUGINS__A__WEIGHT?",
        ]
    );
}
