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
    let too = if cfg!(feature = "wasi") { " and wasi:*@0.2" } else { "" };
    assert!(refusal.contains(&format!("herdwick:plugin/log@0.1.0{too}: remove")), "{refusal}");
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

/// Every export of the contract, and all of them functions without parameters and results.
const WRONG_TYPES: &str = r#"(component
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $signal (export "cost" (func $f)) (export "cost-for" (func $f)))
  (instance $explain (export "explain" (func $f)))
  (instance $lifecycle
    (export "describe" (func $f)) (export "configure" (func $f)) (export "topology" (func $f)))
  (export "herdwick:plugin/signal@0.1.0" (instance $signal))
  (export "herdwick:plugin/explain@0.1.0" (instance $explain))
  (export "herdwick:plugin/lifecycle@0.1.0" (instance $lifecycle)))"#;

#[test]
fn functions_of_other_types_under_the_contracts_names_are_refused() {
    let refusal = refusal(&wat::parse_str(WRONG_TYPES).expect("valid text"));
    assert!(refusal.contains("does not fit the contract") && refusal.contains("type"), "{refusal}");
}

#[cfg(unix)]
#[test]
fn a_file_that_anybody_could_replace_is_refused() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let folder = super::caching::fresh("open-folder");
    fs::create_dir(&folder).expect("the parent is there");
    let path = folder.join("a.wasm");
    fs::write(&path, Signal::default().component().expect("the guest assembles")).expect("it is ours");
    for (file_mode, folder_mode, told) in [
        (0o644, 0o755, None),
        (0o644, 0o1777, None),
        (0o646, 0o755, Some("can be written by anybody")),
        (0o644, 0o777, Some("lies in a folder that anybody can write to")),
    ] {
        fs::set_permissions(&path, Permissions::from_mode(file_mode)).expect("it is ours");
        fs::set_permissions(&folder, Permissions::from_mode(folder_mode)).expect("it is ours");
        match (Package::read(&path), told) {
            (Ok(_), None) => {}
            (Err(error), Some(told)) => assert!(error.problem.contains(told), "{error}"),
            (read, told) => panic!("{file_mode:o} in {folder_mode:o}: {read:?}, not {told:?}"),
        }
    }
    assert!(Package::read(&folder).is_err_and(|error| error.problem.contains("is no file")));
    assert!(Package::read("/dev/zero".as_ref()).is_err_and(|error| error.problem.contains("is no file")));
}
