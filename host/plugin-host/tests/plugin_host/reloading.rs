//! The live set follows folder and configuration; what is broken changes nothing but the report.

use guests::Signal;
use herdwick_plugin_host::config::{Grant, Mode, OnFault, PluginConfig, PluginsConfig, SettingValue};
use herdwick_plugin_host::{PluginHost, PluginStatus, State, Wanted};

use super::scoring::{ask, costs};
use super::{Folder, host};

fn says(number: &str) -> String {
    format!("(f64.const {number})")
}

fn status(host: &PluginHost, name: &str) -> PluginStatus {
    let found = host.status().into_iter().find(|plugin| plugin.id.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is not known"))
}

fn configured(folder: &Folder, name: &str, config: PluginConfig) -> Wanted {
    let plugins = [(name.to_owned(), config)].into();
    Wanted { config: PluginsConfig { plugins, ..PluginsConfig::default() }, ..folder.wanted() }
}

#[test]
fn a_file_that_comes_changes_and_goes_is_followed() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    let guest =
        |one: &str| Signal { name: "visitor", one, ..Signal::default() }.component().expect("assembles");
    let answer = || costs(&ask(&host, &[(4.0, 0.0)]), "visitor");

    assert!(!host.reload("nothing new", &folder.wanted()).swapped);
    folder.put("visitor.wasm", &guest("(f64.const 1)"));
    assert!(host.reload("it came", &folder.wanted()).swapped);
    assert_eq!(answer(), [1.0]);

    folder.put("visitor.wasm", &guest("(f64.const 2)"));
    assert!(host.reload("it changed", &folder.wanted()).swapped);
    assert_eq!(answer(), [2.0]);
    assert!(!host.reload("it was touched", &folder.wanted()).swapped, "same bytes, same set");

    // Half a file: the last good version stays, and the reason is told.
    let whole = guest("(f64.const 3)");
    folder.put("visitor.wasm", whole.get(..whole.len() / 2).expect("half of it"));
    let report = host.reload("it is half written", &folder.wanted());
    assert!(!report.swapped && report.problems.len() == 1, "{report:?}");
    assert!(report.problems[0].contains("is no valid component"), "{report:?}");
    assert_eq!(answer(), [2.0]);
    assert!(matches!(status(&host, "visitor").state, State::Broken { .. }));

    folder.put("visitor.wasm", &whole);
    assert!(host.reload("it is whole", &folder.wanted()).swapped);
    assert_eq!(answer(), [3.0]);
    assert_eq!(status(&host, "visitor").state, State::Live);

    std::fs::remove_file(folder.path().join("visitor.wasm")).expect("our own file");
    assert!(host.reload("it went", &folder.wanted()).swapped);
    assert!(answer().is_empty());
}

#[test]
fn a_changed_manifest_beside_a_file_makes_another_version_of_it() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    folder.guest(&Signal { name: "visitor", ..Signal::default() });
    assert!(host.reload("it came", &folder.wanted()).swapped);
    folder.put("visitor.toml", b"limits.memory = \"32 MiB\"");
    assert!(host.reload("its manifest came", &folder.wanted()).swapped);
    assert!(!host.reload("nothing new", &folder.wanted()).swapped);
    folder.put("visitor.toml", b"limits.memroy = \"32 MiB\"");
    let report = host.reload("its manifest has a typing error", &folder.wanted());
    assert!(!report.swapped && report.problems[0].contains("did you mean \"memory\"?"), "{report:?}");
}

#[test]
fn deleting_a_replacement_restores_the_built_in() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    let path = folder.guest(&guests::inverted_residency());
    host.reload("it came", &folder.wanted());
    assert_eq!(costs(&ask(&host, &[(1.0, 50.0)]), "model-residency"), [-50.0]);
    std::fs::remove_file(path).expect("our own file");
    host.reload("it went", &folder.wanted());
    assert_eq!(costs(&ask(&host, &[(1.0, 50.0)]), "model-residency"), [50.0]);
}

#[test]
fn weight_enabled_and_mode_act_without_the_file_changing() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    folder.guest(&Signal { name: "visitor", one: "(f64.const 7)", ..Signal::default() });
    let with = |config: PluginConfig| {
        let report = host.reload("edit", &configured(&folder, "visitor", config));
        assert!(report.problems.is_empty(), "{report:?}");
        ask(&host, &[(4.0, 0.0)])
    };
    let heavy = with(PluginConfig { weight: 2.5, ..PluginConfig::default() });
    let weights: Vec<_> =
        heavy.answers.iter().filter(|a| a.plugin.as_str() == "visitor").map(|a| a.weight).collect();
    assert_eq!(weights, [2.5]);
    let shadow = with(PluginConfig { mode: Mode::Shadow, ..PluginConfig::default() });
    assert_eq!((costs(&shadow, "visitor").len(), shadow.shadows.len()), (0, 1));
    let off = with(PluginConfig { enabled: Some(false), ..PluginConfig::default() });
    assert!(costs(&off, "visitor").is_empty() && off.shadows.is_empty());
    assert_eq!(status(&host, "visitor").state, State::Disabled);
    let built_in =
        configured(&folder, "queue-depth", PluginConfig { enabled: Some(false), ..Default::default() });
    host.reload("edit", &built_in);
    assert!(costs(&ask(&host, &[(4.0, 0.0)]), "queue-depth").is_empty());
}

#[test]
fn without_auto_enable_a_file_waits_to_be_named() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    folder.guest(&Signal { name: "visitor", ..Signal::default() });
    let mut wanted = folder.wanted();
    wanted.config.auto_enable = false;
    host.reload("it came", &wanted);
    assert_eq!(status(&host, "visitor").state, State::Disabled);
    wanted
        .config
        .plugins
        .insert("visitor".into(), PluginConfig { enabled: Some(true), ..Default::default() });
    host.reload("it is named", &wanted);
    assert_eq!(status(&host, "visitor").state, State::Live);
}

#[test]
fn settings_that_the_plugin_refuses_leave_the_old_ones_in_force() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    let edit = |key: &str, value: f64| {
        let settings = [(key.to_owned(), SettingValue::Number(value))].into();
        let config = PluginConfig { settings, ..PluginConfig::default() };
        host.reload("edit", &configured(&folder, "model-residency", config))
    };
    // A copy elsewhere makes the load dearer by this factor.
    assert!(edit("second_copy_factor", 3.0).swapped);
    let report = edit("second_copy_facter", 4.0);
    assert!(!report.swapped, "{report:?}");
    assert!(report.problems[0].contains("second_copy_factor"), "the nearest key is named: {report:?}");
    assert!(matches!(status(&host, "model-residency").state, State::Broken { .. }));
    assert_eq!(costs(&ask(&host, &[(4.0, 0.0)]), "model-residency"), [0.0], "it still answers");
}

#[test]
fn a_name_that_nobody_has_is_told_with_the_nearest() {
    let (host, _none) = host(&[]);
    let report = host.reload("edit", &configured(&Folder::new(), "queue-dept", PluginConfig::default()));
    assert!(report.problems[0].contains("the nearest is \"queue-depth\""), "{report:?}");
}

#[test]
fn a_veto_needs_the_wish_and_the_grant() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    folder.guest(&Signal { name: "guard", may_veto: true, one: "(f64.const inf)", ..Signal::default() });
    folder.put("guard.toml", b"grants = [\"veto\"]");
    let report = host.reload("it came", &folder.wanted());
    assert!(report.problems[0].contains("without the right"), "{report:?}");
    let config = PluginConfig { grants: vec![Grant::Veto], ..PluginConfig::default() };
    let report = host.reload("edit", &configured(&folder, "guard", config));
    assert!(report.problems.is_empty(), "{report:?}");
    assert_eq!(costs(&ask(&host, &[(4.0, 0.0)]), "guard"), [f64::INFINITY]);
}

#[test]
fn three_faults_put_a_version_out_and_bring_the_one_before_back() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    let version = |one: &str| {
        let columns = &["model.load-ms"];
        Signal { name: "visitor", columns, one, ..Signal::default() }.component().expect("assembles")
    };
    folder.put("visitor.wasm", &version(&says("1")));
    host.reload("the good one", &folder.wanted());
    let bad =
        "(if (f64.eq (f64.load offset=8 (local.get $row)) (f64.const 666)) (then unreachable)) (f64.const 2)";
    folder.put("visitor.wasm", &version(bad));
    host.reload("the bad one", &folder.wanted());
    assert_eq!(costs(&ask(&host, &[(1.0, 1.0)]), "visitor"), [2.0]);
    for _ in 0..3 {
        assert_eq!(ask(&host, &[(1.0, 666.0)]).faults.len(), 1);
        host.current().mend();
    }
    assert!(host.current().has_quarantined());
    let sheet = ask(&host, &[(1.0, 666.0)]);
    assert!(sheet.faults.is_empty(), "out at once, before anything is reloaded: {sheet:?}");

    let report = host.reload("quarantine", &folder.wanted());
    assert!(report.swapped);
    assert_eq!(costs(&ask(&host, &[(1.0, 666.0)]), "visitor"), [1.0], "the version before");
    match status(&host, "visitor").state {
        State::Quarantined { why, .. } => assert!(why.contains("trapped"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(!host.reload("again", &folder.wanted()).swapped, "and it stays");
}

#[test]
fn a_version_that_is_taken_back_makes_room_for_the_one_before_until_the_file_changes() {
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    let visitor = herdwick_fleet::PluginId::new("visitor");
    let answer = || costs(&ask(&host, &[(4.0, 0.0)]), "visitor");
    let put = |number: &str| {
        let one = says(number);
        folder.guest(&Signal { name: "visitor", one: &one, ..Signal::default() });
        host.reload("it came", &folder.wanted());
    };
    assert!(host.roll_back(&visitor).is_err_and(|why| why.contains("no plugin \"visitor\"")));
    put("1");
    assert!(host.roll_back(&visitor).is_err_and(|why| why.contains("no earlier version")));
    put("2");
    host.roll_back(&visitor).expect("there is one before");
    host.reload("asked", &folder.wanted());
    assert_eq!((answer(), status(&host, "visitor").state), (vec![1.0], State::RolledBack));
    put("3");
    assert_eq!((answer(), status(&host, "visitor").state), (vec![3.0], State::Live));
}

#[test]
fn a_quarantined_plugin_without_history_is_left_out() {
    let folder = Folder::new();
    let bad =
        "(if (f64.eq (f64.load offset=8 (local.get $row)) (f64.const 666)) (then unreachable)) (f64.const 2)";
    folder.guest(&Signal { name: "visitor", columns: &["model.load-ms"], one: bad, ..Signal::default() });
    let host = PluginHost::start(&folder.wanted()).expect("it starts");
    for _ in 0..3 {
        ask(&host, &[(1.0, 666.0)]);
        host.current().mend();
    }
    host.reload("quarantine", &folder.wanted());
    let sheet = ask(&host, &[(1.0, 666.0)]);
    assert!(costs(&sheet, "visitor").is_empty() && sheet.faults.is_empty());
    assert_eq!(costs(&sheet, "model-residency").len(), 1, "the others go on");
}

#[test]
fn on_fault_says_what_a_fault_means() {
    use herdwick_fleet::Overruled;
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    let bad = "(if (f64.eq (f64.load offset=8 (local.get $row)) (f64.const 666)) (then (return (f64.const -inf)))) (f64.const 2)";
    folder.guest(&Signal { name: "visitor", columns: &["model.load-ms"], one: bad, ..Signal::default() });
    for (on_fault, mode, overruled) in [
        (OnFault::Ignore, Mode::Live, None),
        (OnFault::Baseline, Mode::Live, Some("baseline")),
        (OnFault::Reject, Mode::Shadow, None),
    ] {
        let config = PluginConfig { on_fault: Some(on_fault), mode, ..PluginConfig::default() };
        host.reload("edit", &configured(&folder, "visitor", config));
        let sheet = ask(&host, &[(1.0, 666.0)]);
        let found = sheet.overruled.map(|overruled| match overruled {
            Overruled::Baseline(_) => "baseline",
            Overruled::Refuse(_) => "refuse",
        });
        assert_eq!(found, overruled, "{on_fault:?} {mode:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_folder_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let (host, _none) = host(&[]);
    let folder = Folder::new();
    folder.guest(&Signal { name: "visitor", ..Signal::default() });
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("our own folder");
    let report = host.reload("look", &folder.wanted());
    assert!(!report.swapped && report.problems[0].contains("chmod go-w"), "{report:?}");
}

#[test]
fn explaining_puts_the_stored_rows_into_words() {
    use herdwick_fleet::{SignalPolicy as _, Words};
    let (host, _none) = host(&[]);
    let matrix = super::loads(&[(4.0, 0.0), (1.0, 3_000.0)]);
    // The columns of a stored matrix stand in the core's order.
    let phrases = host.current().explain(&matrix, &Words::default());
    let residency = phrases.iter().find(|(plugin, _)| plugin.as_str() == "model-residency");
    let expected = ["resident".to_owned(), "3.0 s to load".to_owned()];
    assert_eq!(residency.map(|(_, phrases)| phrases.as_slice()), Some(&expected[..]));
}

#[test]
fn plugins_that_want_to_know_the_fleet_are_told_of_every_change() {
    use herdwick_fleet::{Fleet, Origin};
    let counts =
        Signal { name: "counts", one: "(f64.convert_i32_u (global.get $fleet))", ..Signal::default() };
    let (host, _folder) = host(&[&counts]);
    let mut fleet = Fleet::default();
    let counted = || costs(&ask(&host, &[(4.0, 0.0)]), "counts");
    assert_eq!(counted(), [0.0], "nobody yet");
    for node in 1..=3_u8 {
        fleet.add(&format!("node-{node}"), Origin { host: format!("10.0.0.{node}"), port: 11434 }, 1);
        host.tend(&fleet.snapshot());
        // Every lane knows, whichever is taken.
        for _ in 0..4 {
            assert_eq!(counted(), [f64::from(node)]);
        }
    }
    // Instances made later know it from the beginning.
    let folder = Folder::new();
    let heavy = PluginConfig { weight: 2.0, ..PluginConfig::default() };
    folder.guest(&counts);
    host.reload("moved", &configured(&folder, "counts", heavy));
    assert_eq!(counted(), [3.0]);
}
