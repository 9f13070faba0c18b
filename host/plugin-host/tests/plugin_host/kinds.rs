//! Plugins of the other kinds: told apart by what they export, called within their limits.

use herdwick_plugin_host::config::PluginsConfig;
use herdwick_plugin_host::instance_fallback::{Asked, Attempt, Failure, FallbackInstance, Step};
use herdwick_plugin_host::instance_health::{HealthInstance, Severity};
use herdwick_plugin_host::{Fault, Kind, Loader, Package, Plugin, Source};

pub(crate) fn load(bytes: Vec<u8>) -> Result<Plugin, String> {
    let package = Package::new(Source::File("it.wasm".into()), bytes);
    let loader = Loader::new(None).expect("an engine");
    loader
        .load(&package, &PluginsConfig::default())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn rule(next: &str) -> FallbackInstance {
    let guest = guests::fallback("rule", next).component().expect("the guest assembles");
    match load(guest).expect("it loads") {
        Plugin::Fallback(rule) => rule.instance().expect("it starts"),
        other => panic!("it is a {}", other.kind()),
    }
}

fn doctor(findings: usize) -> HealthInstance {
    let guest = guests::health("doctor", findings).component().expect("the guest assembles");
    match load(guest).expect("it loads") {
        Plugin::Health(doctor) => doctor.instance().expect("it starts"),
        other => panic!("it is a {}", other.kind()),
    }
}

#[test]
fn a_plugin_is_of_the_kind_that_it_exports() {
    let signal = guests::Signal::default().component().expect("the guest assembles");
    let signal = load(signal).expect("it loads");
    assert_eq!((signal.kind(), signal.id().as_str()), (Kind::Signal, "guest"));
}

#[test]
fn a_rule_sees_what_was_tried_and_its_advice_is_plain() {
    let failed = Attempt { slot: 41, why: Failure::NoRoom, status: None, took_ms: 3.0 };
    let asked = Asked { tried: vec![failed], ..Asked::default() };
    // ok(retry(slot + how it failed)).
    let retry = "(i32.store (i32.const 40)
        (i32.add (i32.load (local.get $tried)) (i32.load8_u offset=4 (local.get $tried)))) (i32.const 32)";
    assert_eq!(rule(retry).next(&asked), Ok(Step::Retry(46)));
    let pass = "(i32.store8 (i32.const 36) (i32.const 4)) (i32.const 32)";
    assert_eq!(rule(pass).next(&asked), Ok(Step::Pass));
}

#[test]
fn a_rule_that_misbehaves_is_a_fault() {
    let asked = Asked::default();
    let spins = "(loop $on (br $on)) unreachable";
    assert_eq!(rule(spins).next(&asked), Err(Fault::Deadline { ms: 20 }));
    // err(string of 100 000 bytes).
    let floods = "(i32.store8 (i32.const 32) (i32.const 1)) (i32.store (i32.const 40) (i32.const 100000)) (i32.const 32)";
    assert_eq!(rule(floods).next(&asked), Err(Fault::Huge { bytes: 64 << 10 }));
    assert!(rule("unreachable").next(&asked).is_err_and(|fault| fault.kills()));
    let refuses = "(i32.store8 (i32.const 32) (i32.const 1)) (i32.const 32)";
    assert_eq!(rule(refuses).next(&asked), Err(Fault::Refused(String::new())));
}

#[test]
fn a_health_plugins_answers_are_plain_and_printable() {
    let mut doctor = doctor(1);
    let checks = doctor.checks().expect("it answers");
    assert_eq!((checks[0].id.as_str(), checks[0].facts.as_slice()), ("c", &["node.free".to_owned()][..]));
    let probes = doctor.plan().expect("it answers");
    assert_eq!((probes[0].slot, probes[0].get, probes[0].path.as_str()), (7, false, "/api/ps"));
    let findings = doctor.judge(&[], &[]).expect("it answers");
    let finding = &findings[0];
    assert_eq!((finding.severity, finding.subject.as_str()), (Severity::Critical, "node:a"));
    assert_eq!(finding.title, "it's\\u{1b}[2J down");
    assert_eq!(finding.command.as_deref(), Some("reboot"));
    assert!(finding.out_of_rotation && finding.visible_after_s == 5);
}

#[test]
fn too_many_findings_are_a_fault() {
    let many = doctor(1_001).judge(&[], &[]);
    assert_eq!(many, Err(Fault::Many { what: "findings", got: 1_001, most: 1_000 }));
}
