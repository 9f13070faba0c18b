//! What the live set answers, and that the components answer it.

use guests::Signal;
use herdwick_fleet::{Matrix, Sheet, SignalPolicy as _, Words};
use herdwick_plugin_host::{PluginHost, Source};

use super::{BUILT_INS, Folder, host};

/// Asks the live set about rows of (state, load), giving it the columns that it wants.
pub(crate) fn ask(host: &PluginHost, rows: &[(f64, f64)]) -> Sheet {
    let set = host.current();
    let source = super::loads(rows);
    let wanted = set.columns();
    let values = source.iter().flat_map(|(_, values)| {
        wanted.iter().map(|column| {
            let place = source.columns().iter().position(|have| have == column);
            place.and_then(|place| values.get(place)).copied().unwrap_or(f64::NAN)
        })
    });
    let slots = (0..rows.len()).map(|row| row as f64).collect();
    let matrix = Matrix::new(&wanted, slots, values.collect());
    set.score(&matrix, &Words { model: "qwen3:8b", endpoint: "/api/chat" })
}

/// What `plugin` answered.
pub(crate) fn costs(sheet: &Sheet, plugin: &str) -> Vec<f64> {
    let answer = sheet.answers.iter().find(|answer| answer.plugin.as_str() == plugin);
    answer.map(|answer| answer.costs.clone()).unwrap_or_default()
}

#[test]
fn the_shipped_signals_answer_for_every_candidate() {
    let (host, _folder) = host(&[]);
    let sheet = ask(&host, &[(4.0, 0.0), (1.0, 3_000.0)]);
    assert!(sheet.faults.is_empty(), "{:?}", sheet.faults);
    assert_eq!(costs(&sheet, "model-residency"), [0.0, 3_000.0]);
    assert_eq!(costs(&sheet, "queue-depth"), [0.0, 0.0]);
}

#[test]
fn a_file_with_a_built_ins_name_takes_its_place() {
    let (host, _folder) = host(&[&guests::inverted_residency()]);
    let sheet = ask(&host, &[(4.0, 0.0), (1.0, 3_000.0)]);
    assert_eq!(costs(&sheet, "model-residency"), [0.0, -3_000.0], "the guest answers, no native twin");
    assert_eq!(sheet.answers.len(), BUILT_INS, "it replaces, it does not join");
    let status = host.status();
    let replaced = status.iter().find(|plugin| plugin.id.as_str() == "model-residency");
    assert!(replaced.is_some_and(|plugin| matches!(plugin.source, Source::File(_)) && plugin.calls == 1));
}

#[test]
fn a_swap_changes_the_answer_and_the_generation_but_not_a_set_in_hand() {
    let (host, _folder) = host(&[]);
    let in_hand = host.current();
    let folder = Folder::new();
    folder.guest(&guests::inverted_residency());
    let report = host.reload("test", &folder.wanted());
    assert!(report.swapped && report.generation > in_hand.generation(), "{report:?}");
    assert_eq!(costs(&ask(&host, &[(1.0, 50.0)]), "model-residency"), [-50.0]);
    let matrix = Matrix::new(&in_hand.columns(), vec![0.0], Vec::new());
    assert_eq!(in_hand.score(&matrix, &Words::default()).generation, in_hand.generation());
}

#[test]
fn words_reach_the_guest_that_asks_for_them() {
    // The answer is the length of the first word: `cost-for` must be called, with the request's words.
    let guest = Signal {
        name: "word-length",
        words: &["model"],
        one: "(f64.convert_i32_u (i32.load offset=4 (global.get $words)))",
        ..Signal::default()
    };
    let (host, _folder) = host(&[&guest]);
    let sheet = ask(&host, &[(4.0, 0.0)]);
    assert_eq!(costs(&sheet, "word-length"), [8.0], "qwen3:8b has eight letters");
}

#[test]
fn an_optional_column_that_nobody_has_is_unknown() {
    let guest = Signal {
        name: "hopeful",
        columns: &["?never.heard-ms"],
        one: "(f64.load offset=8 (local.get $row))",
        ..Signal::default()
    };
    let (host, _folder) = host(&[&guest]);
    let sheet = ask(&host, &[(4.0, 0.0)]);
    assert!(costs(&sheet, "hopeful").iter().all(|cost| cost.is_nan()));
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let guest = Signal {
        name: "divides",
        columns: &["model.load-ms"],
        // Zero by zero, whatever the reading.
        one: "(f64.div (f64.mul (f64.load offset=8 (local.get $row)) (f64.const 0)) (f64.const 0))",
        ..Signal::default()
    };
    let (host, _folder) = host(&[&guest]);
    let bits = || -> Vec<u64> {
        let sheet = ask(&host, &[(1.0, 0.0), (1.0, f64::NAN)]);
        costs(&sheet, "divides").iter().map(|cost| cost.to_bits()).collect()
    };
    let first = bits();
    assert_eq!(first, [f64::NAN.to_bits(); 2], "one NaN, whatever the processor makes of 0/0");
    assert!((0..50).all(|_| bits() == first));
}
