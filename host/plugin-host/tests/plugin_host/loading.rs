//! What is refused at load, and whether the refusal helps.

use guests::Signal;
use herdwick_plugin_host::{Package, PluginHost, Wanted};

use super::Folder;

fn refusal_of(files: &[(&str, &[u8])]) -> String {
    let folder = Folder::new();
    let files = files.iter().map(|(name, bytes)| folder.put(name, bytes)).collect();
    let wanted = Wanted { files, ..Wanted::default() };
    PluginHost::start(&wanted).err().expect("it is refused").to_string()
}

fn refusal(bytes: &[u8]) -> String {
    refusal_of(&[("bad.wasm", bytes)])
}

fn component(guest: &Signal<'_>) -> Vec<u8> {
    guest.component().expect("the guest assembles")
}

#[test]
fn what_is_no_component_is_told_apart() {
    let half = component(&Signal::default());
    let half = &half[..half.len() / 2];
    let core = [0, b'a', b's', b'm', 1, 0, 0, 0];
    let future = [0, b'a', b's', b'm', 9, 0, 9, 0];
    for (given, told) in [
        (&b""[..], "is empty; it may still be being written"),
        (b"#!/bin/sh", "is no WebAssembly; give a .wasm component"),
        (&core, "is a core module without its interface"),
        (&future, "is WebAssembly of a version that nobody can load"),
        (half, "is no valid component"),
    ] {
        let refusal = refusal(given);
        assert!(
            refusal.starts_with("plugin ") && refusal.contains("bad.wasm: ") && refusal.contains(told),
            "{refusal}"
        );
    }
}

#[test]
fn an_import_that_nobody_grants_is_named() {
    let component = wat::parse_str(
        r#"(component
            (import "herdwick:plugin/log@0.1.0" (instance))
            (import "acme:db/query@1.0.0" (instance (export "connect" (func)))))"#,
    );
    let refusal = refusal(&component.expect("valid text"));
    assert!(refusal.contains("imports acme:db/query@1.0.0, which plugins are not given"), "{refusal}");
    assert!(refusal.contains("herdwick:plugin/log@0.1.0 and wasi:*@0.2: remove"), "{refusal}");
}

#[test]
fn a_component_of_another_version_or_world_is_told_which_is_hosted() {
    for (text, told) in [
        (
            r#"(component (instance $i) (export "herdwick:plugin/signal@0.2.0" (instance $i)))"#,
            "is built for herdwick:plugin of version 0.2.0, this router hosts 0.1.0",
        ),
        ("(component)", "herdwick:plugin/signal-plugin@0.1.0"),
        (
            r#"(component (instance $i) (export "herdwick:plugin/health@0.1.0" (instance $i)))"#,
            "build it for the world herdwick:plugin/health-plugin@0.1.0",
        ),
    ] {
        let refusal = refusal(&wat::parse_str(text).expect("valid text"));
        assert!(refusal.contains(told), "{refusal}");
    }
}

#[test]
fn an_unknown_column_is_refused_with_the_nearest_name() {
    let guest = Signal { columns: &["slots.fre-count"], ..Signal::default() };
    let refusal = refusal(&component(&guest));
    assert!(refusal.contains("did you mean \"slots.free-count\"?"), "{refusal}");
}

#[test]
fn two_files_with_one_name_are_both_named() {
    let twin = component(&Signal::default());
    let refusal = refusal_of(&[("one.wasm", &twin), ("two.wasm", &twin)]);
    assert!(refusal.contains("calls itself \"guest\", and so does"), "{refusal}");
}

#[test]
fn all_problems_of_all_plugins_are_told() {
    let bad = component(&Signal { columns: &["a", "b"], ..Signal::default() });
    let refusal = refusal_of(&[("empty.wasm", b""), ("text.wasm", b"x"), ("columns.wasm", &bad)]);
    assert_eq!(refusal.lines().count(), 3, "{refusal}");
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let error = Package::read("no/such/file.wasm".as_ref()).expect_err("there is none").to_string();
    assert!(error.contains("no/such/file.wasm") && error.contains("give the path"), "{error}");
}
