//! A simulated server is measured: what comes out is how it was made, whatever else its answers take.

#![cfg(test)]

use std::time::Duration;

use fakenode::{FakeNode, Kind, ModelSpec, NodeSpec, Verb};
use herdwick_fleet::{BackendKind, Origin};
use herdwick_measure::{Keep, MeasureError, Question, Subject, Timeline, decoding, prefilling};

/// A busy machine that runs the tests makes everything slower, and nothing faster.
const TOLERANCE: f64 = 0.25;

fn model() -> ModelSpec {
    ModelSpec::new("m:1")
        .prefill(4_000.0)
        .token(Duration::from_millis(5))
        .tokens(64)
        .load(Duration::from_millis(120))
}

fn subject(node: &FakeNode, kind: BackendKind) -> Subject {
    let address = node.addr();
    let origin = Origin { host: address.ip().to_string(), port: address.port() };
    Subject { origin, bearer: None, kind, model: "m:1".to_owned(), context: None, keep: Keep::AsItIs }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

async fn ask(subject: &Subject, seed: u64, prompt_tokens: u32) -> Timeline {
    let question = Question { seed, prompt_tokens, answer_tokens: 64 };
    subject.ask_timed(question).await.expect("an answer")
}

fn assert_near(found: f64, made: f64) {
    assert!(
        found <= made * 1.05 && found >= made * (1.0 - TOLERANCE),
        "{found} where it was made with {made}"
    );
}

#[test]
fn rates_come_out_as_the_server_was_made_in_either_dialect() {
    for (plays, kind) in [(Kind::Ollama, BackendKind::Ollama), (Kind::LlamaCpp, BackendKind::LlamaCpp)] {
        let node = FakeNode::start(NodeSpec::new("n").kind(plays).slots(2).model(model().resident(true)));
        let node = node.expect("it starts");
        let subject = subject(&node, kind);
        run(async {
            let (short, long) = (ask(&subject, 1, 200).await, ask(&subject, 2, 1_600).await);
            let prefill = prefilling(std::slice::from_ref(&short), &[long]).expect("a rate");
            assert_near(prefill.per_s, 4_000.0);
            let alone = decoding(&[short]).expect("a rate");
            assert_near(alone.per_s, 200.0);
            let (one, two) = tokio::join!(ask(&subject, 3, 64), ask(&subject, 4, 64));
            let both = decoding(&[one, two]).expect("they ran at once");
            assert_near(both.per_s, 200.0);
            assert!(!prefill.disagrees && !both.disagrees);
        });
    }
}

#[test]
fn a_model_is_loaded_and_let_go_of() {
    let node = FakeNode::start(NodeSpec::new("n").model(model())).expect("it starts");
    let subject = subject(&node, BackendKind::Ollama);
    run(async {
        let took = subject.load().await.expect("it loads");
        assert!(took >= Duration::from_millis(120), "{took:?}");
        let again = subject.load().await.expect("it is loaded");
        assert!(again < took, "{again:?}");
        subject.unload().await.expect("it lets go");
    });
    let model = &node.stats().models["m:1"];
    assert_eq!((model.loads, model.unloads, model.resident), (1, 1, false));
}

#[test]
fn whoever_is_dropped_in_the_middle_hangs_up() {
    let node = FakeNode::start(NodeSpec::new("n").model(model().resident(true))).expect("it starts");
    node.script([Verb::Silent { ms: None }]);
    let subject = subject(&node, BackendKind::Ollama);
    run(async {
        let asking = ask(&subject, 1, 64);
        tokio::select! {
            _ = asking => panic!("it never answers"),
            reached = node.reached(fakenode::Condition::Running(1), Duration::from_secs(10)) => reached.expect("it runs"),
        }
        let over = node.reached(fakenode::Condition::Idle, Duration::from_secs(10));
        over.await.expect("nothing runs any more");
    });
}

#[test]
fn what_goes_wrong_is_told_in_the_servers_words() {
    let node = FakeNode::start(NodeSpec::new("n").model(model().resident(true))).expect("it starts");
    let ollama = subject(&node, BackendKind::Ollama);
    let question = Question { seed: 1, prompt_tokens: 8, answer_tokens: 64 };
    let told = |subject: &Subject| run(subject.ask_timed(question)).expect_err("no answer").to_string();
    let missing = Subject { model: "other".to_owned(), ..ollama.clone() };
    assert_eq!(told(&missing), "it answered 404: model 'other' not found");
    node.script([Verb::Errline { after: 3, msg: Some("unexpected EOF".to_owned()) }]);
    assert_eq!(told(&ollama), "its answer ended with an error: unexpected EOF");
    node.script([Verb::Fin { after: 3, cut: false }]);
    assert_eq!(told(&ollama), "its answer cannot be read: it ended before its end");
    let other = subject(&node, BackendKind::Vllm);
    assert!(matches!(run(other.load()), Err(MeasureError::Unable("vllm"))));
    let origin = ollama.origin.clone();
    drop(node);
    let gone = Subject { origin, ..ollama };
    assert!(told(&gone).starts_with("no connection"), "{}", told(&gone));
}
