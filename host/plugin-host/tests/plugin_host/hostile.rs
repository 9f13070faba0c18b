//! Guests that break the contract: at load they are refused, live they cost nothing but their own answer.

use guests::Signal;
use herdwick_plugin_host::PluginHost;

use super::scoring::ask;
use super::{BUILT_INS, Folder, host};
use herdwick_plugin_host::Wanted;

#[test]
fn the_trial_refuses_every_guest_that_breaks_the_contract() {
    for (guest, told) in guests::hostile() {
        let folder = Folder::new();
        let files = vec![folder.guest(&guest)];
        let refusal = PluginHost::start(&Wanted { files, ..Wanted::default() }).err();
        let refusal = refusal.unwrap_or_else(|| panic!("{} went live", guest.name)).to_string();
        assert!(refusal.contains("fails the trial") && refusal.contains(told), "{}: {refusal}", guest.name);
    }
}

/// Well-behaved in the trial, where every load is unknown, zero or huge; `bad` when it is exactly 666.
fn sleeper(name: &'static str, bad: &'static str) -> Signal<'static> {
    let one = format!(
        "(if (f64.eq (f64.load offset=8 (local.get $row)) (f64.const 666)) (then {bad})) (f64.const 7)"
    );
    // A test process may keep a few bytes for ever.
    Signal { name, columns: &["model.load-ms"], one: String::leak(one), ..Signal::default() }
}

#[test]
fn a_guest_that_dies_live_loses_its_answer_and_comes_back() {
    for (name, bad, fault) in
        [("traps-late", "unreachable", "trapped"), ("spins-late", "(loop $on (br $on))", "longer than 5 ms")]
    {
        let (host, _folder) = host(&[&sleeper(name, bad)]);
        let healthy = ask(&host, &[(1.0, 1.0)]);
        assert_eq!((healthy.answers.len(), healthy.faults.len()), (BUILT_INS + 1, 0), "{name}");

        let struck = ask(&host, &[(1.0, 666.0)]);
        assert_eq!(struck.answers.len(), BUILT_INS, "{name}: the others still answer");
        let (plugin, told) = &struck.faults[0];
        assert!(plugin.as_str() == name && told.contains(fault), "{name}: {told}");

        let after = ask(&host, &[(1.0, 1.0)]);
        assert!(after.faults.is_empty() || after.faults[0].1.contains("being restarted"), "{after:?}");
        host.current().mend();
        for _ in 0..4 {
            assert_eq!(
                ask(&host, &[(1.0, 1.0)]).answers.len(),
                BUILT_INS + 1,
                "{name} is back in every lane"
            );
        }
        let status = host.status();
        let faults = status.iter().find(|plugin| plugin.id.as_str() == name).map(|plugin| plugin.faults);
        assert!(faults.is_some_and(|faults| (1..=2).contains(&faults)), "{name}: {faults:?}");
    }
}

#[test]
fn a_bad_number_live_is_a_fault_and_kills_nothing() {
    let guest = sleeper("jokes", "(return (f64.const inf))");
    let (host, _folder) = host(&[&guest]);
    let struck = ask(&host, &[(1.0, 666.0), (1.0, 1.0)]);
    assert!(struck.faults[0].1.contains("without the right"), "{:?}", struck.faults);
    let after = ask(&host, &[(1.0, 1.0)]);
    assert_eq!((after.answers.len(), after.faults.len()), (BUILT_INS + 1, 0));
}

#[test]
fn without_any_signal_the_sheet_is_empty_and_nothing_fails() {
    let host = PluginHost::start_bare(&Wanted::default()).expect("nothing to refuse");
    let sheet = ask(&host, &[(1.0, 1.0)]);
    assert!(sheet.answers.is_empty() && sheet.faults.is_empty());
}
