//! What the cases cannot show, since no case delivers a topology: labels decide.

use herdwick_sdk::column::Layout;
use herdwick_sdk::{Backend, Cost, Rows, Setting, Settings, Signal, Topology, Value};
use plugin::Plugin;

static LAYOUT: Layout = Layout::of(Plugin::COLUMNS);

fn backend(slot: u32, label: &str, value: &str) -> Backend {
    Backend {
        slot,
        id: format!("b{slot}"),
        node: format!("n{slot}"),
        kind: "ollama".to_owned(),
        labels: vec![("room".to_owned(), "office".to_owned()), (label.to_owned(), value.to_owned())],
        models: Vec::new(),
    }
}

/// Cost and words of slots 1, 2 and 3, of which the topology names the first two.
fn answers(settings: Vec<Setting>, backends: &[Backend]) -> Vec<(Cost, String)> {
    let mut settings = Settings::new(settings);
    let mut plugin = Plugin::new(&mut settings);
    settings.finish().unwrap();
    plugin.topology(Topology { generation: 1, models: &[], backends });
    let rows = Rows::new(&LAYOUT, &[], &[], &[1.0, 2.0, 3.0]).unwrap();
    rows.iter().map(|row| (plugin.cost(row), plugin.explain(row))).collect()
}

fn check(answers: &[(Cost, String)], expected: [(Cost, &str); 3]) {
    for ((cost, words), (wanted, phrase)) in answers.iter().zip(expected) {
        assert_eq!((cost, words.as_str()), (&wanted, phrase));
    }
}

#[test]
fn the_label_is_free_and_its_lack_costs_the_penalty() {
    let backends = [backend(1, "prefer", "yes"), backend(2, "prefer", "no")];
    check(
        &answers(Vec::new(), &backends),
        [
            (Cost::Ms(0.0), "prefer = yes"),
            (Cost::Ms(500.0), "not prefer = yes: 500 ms"),
            (Cost::Abstain, "labels unknown"),
        ],
    );
}

#[test]
fn the_operator_names_label_value_and_penalty() {
    let text = |key: &str, text: &str| Setting { key: key.to_owned(), value: Value::Text(text.to_owned()) };
    let penalty = Setting { key: "penalty_ms".to_owned(), value: Value::Number(2000.0) };
    let backends = [backend(1, "prefer", "yes"), backend(2, "power", "solar")];
    check(
        &answers(vec![text("label", "power"), text("value", "solar"), penalty], &backends),
        [
            (Cost::Ms(2000.0), "not power = solar: 2.0 s"),
            (Cost::Ms(0.0), "power = solar"),
            (Cost::Abstain, "labels unknown"),
        ],
    );
}

#[test]
fn a_label_without_a_name_is_refused() {
    let nameless = Setting { key: "label".to_owned(), value: Value::Text(String::new()) };
    let mut settings = Settings::new(vec![nameless]);
    Plugin::new(&mut settings);
    assert_eq!(settings.finish().unwrap_err(), ["`label`: a label has a name"]);
}
