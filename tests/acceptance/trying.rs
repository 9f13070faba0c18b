//! `herdwick try`: the first question that anybody asks through the router, and what is said when it fails.

use crate::support::{Finished, Node, Router, finished, nobody};

const HOT: &[&str] = &["--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=5"];

fn tried(router: &str, more: &[&str]) -> Finished {
    let args: Vec<&str> = ["try", "--router", router].into_iter().chain(more.iter().copied()).collect();
    finished(&args)
}

/// These lines, and nothing else: what, why unless that says it all, what next.
fn failed<const LINES: usize>(told: &Finished, lines: [&str; LINES]) {
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let said: Vec<&str> = told.stderr.lines().collect();
    assert_eq!(said.len(), LINES, "{}", told.stderr);
    for (said, expected) in said.iter().zip(lines) {
        assert!(said.starts_with(expected), "{expected:?} does not begin {said:?}");
    }
}

#[test]
fn the_answer_is_printed_and_then_where_it_was_made_why_and_how_fast() {
    let node =
        Node::start("studio", &["--model", "cold:1b", "--model", "m:1b,resident,first_token=1ms,tokens=5"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("cold:1b");
    let address = router.address.to_string();
    for more in [&["m:1b", "hi"][..], &["m:1b"], &["why do sheep flock?"], &[]] {
        let told = tried(&address, more);
        assert_eq!(told.code, Some(0), "{more:?}: {}", told.stderr);
        let answer = told.stdout.strip_suffix('\n').expect("a whole line");
        assert!(answer.len() > 10 && !answer.contains("studio"), "{more:?}: {answer}");
        for line in [
            "model        m:1b",
            "ran on       studio",
            "why          studio (model resident)",
            "first token  after ",
        ] {
            assert!(
                told.stderr.contains(&format!("\n{line}")),
                "{more:?}: {line:?} is not in {}",
                told.stderr
            );
        }
        assert!(told.stderr.contains(" tokens/s, 5 tokens"), "{}", told.stderr);
    }
    let log = node.log();
    let asked = log.as_array().expect("a list").iter().filter(|entry| entry["path"] == "/api/chat");
    assert_eq!(asked.count(), 4, "one for each, and nothing loaded the cold one");
}

#[test]
fn programs_get_the_answer_with_its_facts() {
    let node = Node::start("studio", HOT);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let told = tried(&router.address.to_string(), &["--json"]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON and nothing else");
    assert_eq!(
        (&told["node"], &told["model"], &told["attempts"]),
        (&"studio".into(), &"m:1b".into(), &1.into())
    );
    assert_eq!(told["answer_tokens"], 5, "{told}");
    let ms = |field: &str| told[field].as_f64().unwrap_or_else(|| panic!("{field} in {told}"));
    assert!(ms("first_token_ms") <= ms("total_ms") && ms("tokens_per_s") > 1.0, "{told}");
    assert!(told["answer"].as_str().is_some_and(|answer| !answer.is_empty()), "{told}");
    assert_eq!(told["request"].as_str().map(str::len), Some(36), "{told}");
}

#[test]
fn what_cannot_work_is_said_in_three_lines() {
    let silent = nobody().to_string();
    failed(
        &tried(&silent, &[]),
        [
            &format!("error: no router answers at {silent}"),
            "cause: Connection refused",
            "next:  start one with `herdwick`",
        ],
    );

    let router = Router::start(&[format!("mini=http://{silent}")], &[]);
    failed(
        &tried(&router.address.to_string(), &[]),
        [
            "error: no node answers",
            &format!("cause: mini (http://{silent})"),
            "next:  check that Ollama runs there",
        ],
    );

    let node = Node::start("studio", &["--model", "nomic-embed-text:latest,resident"]);
    let router = Router::start(&[node.spec(1)], &[]).knows("nomic-embed-text:latest");
    let address = router.address.to_string();
    failed(
        &tried(&address, &[]),
        ["error: there is no model to try", "cause: the nodes that answer have none", "next:  pull one"],
    );
    failed(
        &tried(&address, &["nomic-embed-txt", "hi"]),
        [
            "error: model 'nomic-embed-txt' not found",
            "cause: no node has it",
            "next:  did you mean 'nomic-embed-text:latest'? Otherwise run `ollama pull nomic-embed-txt`",
        ],
    );
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_and_keeps_what_was_said() {
    let node = Node::start("studio", HOT);
    let router = Router::start(&[node.spec(1)], &[]).knows("m:1b");
    let address = router.address.to_string();
    for verb in [
        r#"{"rst":{"after":3}}"#,
        r#"{"fin":{"after":3}}"#,
        r#"{"errline":{"after":3,"msg":"out of memory"}}"#,
    ] {
        node.script(&format!("[{verb}]"));
        let told = tried(&address, &["m:1b", "hi"]);
        failed(&told, ["error: the answer from studio broke off after ", "cause: ", "next:  try again"]);
        assert!(told.stdout.len() > 3, "{verb}: {:?}", told.stdout);
    }
    node.script(r#"[{"errline":{"after":3,"msg":"out of memory"}}]"#);
    let told = tried(&address, &["m:1b", "hi", "--json"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""));
    assert!(told.stderr.contains("out of memory"), "{}", told.stderr);
}

#[test]
fn a_mistyped_model_is_told_the_nearest_one_also_while_a_node_has_not_told_what_it_has() {
    let node = Node::start("studio", HOT);
    let silent = nobody();
    let router = Router::start(&[node.spec(1), format!("mini=http://{silent}")], &[]).knows("m:1b");
    failed(
        &tried(&router.address.to_string(), &["m:2b", "hi"]),
        [
            "error: no node that answers has model 'm:2b', and mini has not answered since the router started",
            "next:  did you mean 'm:1b'? Otherwise start mini or leave it out",
        ],
    );
}
