//! What plugins ask for in their manifests, what operators say about them, and what comes of both.

use std::collections::BTreeMap;
use std::fs;

use guests::Signal;
use herdwick_plugin_host::config::{Grant, OnFault, PluginConfig, PluginsConfig, SettingValue};
use herdwick_plugin_host::{Loader, Package, Plugin};

use super::file;

/// A signal that vetoes everybody, from the trial on.
const VETO: Signal<'static> = Signal {
    name: "guest",
    columns: &[],
    words: &[],
    may_veto: true,
    one: "(f64.const inf)",
    cost: None,
    configure: "(call $ok (i32.const 0) (i32.const 0))",
    imports: "",
    pages: 4,
};

fn load(package: &Package, said: PluginConfig) -> Result<Plugin, String> {
    let plugins = BTreeMap::from([("guest".to_owned(), said)]);
    let config = PluginsConfig { plugins, ..PluginsConfig::default() };
    let loader = Loader::new(None).expect("an engine");
    let told =
        |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n");
    loader.load(package, &config).map_err(told)
}

fn with_manifest(guest: &Signal<'_>, manifest: &str) -> Package {
    let mut package = file(guest);
    package.bytes =
        guests::with_section(package.bytes.into(), "herdwick:manifest", manifest.as_bytes()).into();
    package
}

fn refusal(package: &Package, said: PluginConfig) -> String {
    load(package, said).err().expect("it is refused")
}

#[test]
fn a_veto_needs_the_manifest_and_the_operator() {
    let asks = with_manifest(&VETO, "grants = [\"veto\"]");
    let silent = file(&VETO);
    let given = || PluginConfig { grants: vec![Grant::Veto], ..PluginConfig::default() };
    assert!(load(&asks, given()).is_ok());
    for (package, said) in
        [(&asks, PluginConfig::default()), (&silent, given()), (&silent, PluginConfig::default())]
    {
        assert!(refusal(package, said).contains("without the right"));
    }
}

#[test]
fn memory_is_what_the_manifest_asks_for() {
    // 24 MiB in all.
    let grows = Signal {
        cost: Some(
            "(if (i32.lt_u (memory.size) (i32.const 384))
               (then (drop (memory.grow (i32.sub (i32.const 384) (memory.size))))))
             (call $each (local.get $rows) (local.get $len))",
        ),
        ..Signal::default()
    };
    assert!(refusal(&file(&grows), PluginConfig::default()).contains("trapped"));
    assert!(load(&with_manifest(&grows, "limits.memory = \"32 MiB\""), PluginConfig::default()).is_ok());
}

#[test]
fn a_manifest_that_contradicts_the_plugin_is_refused() {
    let guest = Signal::default();
    for (manifest, told) in [
        ("kind = \"health\"", "calls itself a health plugin in its manifest but exports signal"),
        ("id = \"other\"", "calls itself \"guest\", its manifest \"other\""),
        ("knd = \"signal\"", "`knd` is no key; did you mean \"kind\"?"),
        ("]", "no TOML"),
    ] {
        let refusal = refusal(&with_manifest(&guest, manifest), PluginConfig::default());
        assert!(refusal.contains(told), "{refusal}");
    }
    assert!(
        load(&with_manifest(&guest, "kind = \"signal\"\nid = \"guest\""), PluginConfig::default()).is_ok()
    );
}

#[test]
fn two_manifests_side_by_side_are_refused() {
    let mut package = with_manifest(&Signal::default(), "id = \"guest\"");
    package.bytes = guests::with_section(package.bytes.into(), "herdwick:manifest", b"").into();
    assert!(refusal(&package, PluginConfig::default()).contains("two manifests"));
}

#[test]
fn the_operator_decides_what_a_fault_means() {
    let asks = with_manifest(&Signal::default(), "on_fault = \"baseline\"");
    let on_fault = |said| load(&asks, said).expect("it loads").on_fault();
    assert_eq!(on_fault(PluginConfig::default()), OnFault::Baseline);
    let said = PluginConfig { on_fault: Some(OnFault::Reject), ..PluginConfig::default() };
    assert_eq!(on_fault(said), OnFault::Reject);
}

/// Refuses everything but one setting that is the number 5. A setting has 24 bytes: key, kind of value, value.
const PICKY: Signal<'static> = Signal {
    may_veto: false,
    one: "(f64.const 0)",
    configure: "
        (local $ret i32)
        (if (i32.eq (local.get $count) (i32.const 1)) (then
          (if (f64.eq (f64.load offset=16 (local.get $settings)) (f64.const 5)) (then
            (return (call $ok (i32.const 0) (i32.const 0)))))))
        ;; An error of one text: the settings' first key, or nothing.
        (local.set $ret (call $alloc (i32.const 12)))
        (i32.store (local.get $ret) (i32.const 1))
        (i32.store offset=4 (local.get $ret) (local.get $settings))
        (i32.store offset=8 (local.get $ret) (i32.ne (local.get $count) (i32.const 0)))
        (local.get $ret)",
    ..VETO
};

fn five(key: &str, number: f64) -> PluginConfig {
    let settings = BTreeMap::from([(key.to_owned(), SettingValue::Number(number))]);
    PluginConfig { settings, ..PluginConfig::default() }
}

#[test]
fn settings_reach_the_plugin_and_its_problems_come_back_with_its_name() {
    assert!(load(&file(&PICKY), five("gears", 5.0)).is_ok());
    let refusal_of_four = refusal(&file(&PICKY), five("gears", 4.0));
    assert!(refusal_of_four.ends_with("guest refuses its settings: gears"), "{refusal_of_four}");

    let declares = with_manifest(&PICKY, "settings.gears.default = 5");
    assert!(load(&declares, PluginConfig::default()).is_ok(), "the default is handed over");
    let refusal_of_key = refusal(&declares, five("gaers", 5.0));
    assert!(
        refusal_of_key.contains("guest: has no setting \"gaers\"; did you mean \"gears\"?"),
        "{refusal_of_key}"
    );
}

#[test]
fn the_file_beside_a_plugin_is_read_with_it() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside");
    fs::create_dir_all(&folder).expect("a folder for tests");
    let path = folder.join("picky.wasm");
    fs::write(&path, PICKY.component().expect("the guest assembles")).expect("it is ours");
    fs::write(folder.join("picky.toml"), "settings.gears.default = 5").expect("it is ours");
    let package = Package::read(&path).expect("both are there");
    assert!(load(&package, PluginConfig::default()).is_ok());

    fs::write(folder.join("picky.toml"), vec![b'#'; (64 << 10) + 1]).expect("it is ours");
    let refusal = Package::read(&path).expect_err("too large").to_string();
    assert!(refusal.contains("picky.toml beside it, which is larger than 64 KiB"), "{refusal}");
}
