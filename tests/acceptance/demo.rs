//! `--demo`: the first thing that anybody tries.

use crate::support::{Client, Node, Router, Watched, finished, nobody};

#[test]
fn the_printed_command_streams_an_answer_without_any_model_server() {
    let router = Router::start(&[], &["--demo"]);
    let example = router.example.as_deref().expect("the banner has a command to try");
    let body = example.split('\'').nth(1).expect("a body in quotes");
    assert!(example.contains(&format!("curl -N http://{}/api/chat", router.address)), "{example}");

    let mut client = Client::connect(router.address);
    client.send("POST", "/api/chat", &[], body.as_bytes());
    let mut answer = client.begin();
    assert_eq!((answer.head.status, answer.head.header("x-herdwick-node")), (200, "studio"));
    let mut pieces = 0;
    while let Some(piece) = answer.piece() {
        let text = String::from_utf8(piece.expect("whole")).expect("text");
        pieces += text.lines().count();
    }
    assert!(pieces > 20, "token by token, not {pieces} pieces");
}

#[test]
fn the_other_commands_that_the_banner_prints_work_too() {
    let router = Watched::start(&["--listen", "127.0.0.1:0", "--demo"]);
    router.line("curl");
    for (mark, answer) in
        [("herdwick try", "ran on       studio"), ("herdwick status --watch", "requests  0 running")]
    {
        let line = router.line(mark);
        // What stands after two spaces says what it is for.
        let command = line.trim().split("  ").next().unwrap_or_default();
        let args: Vec<&str> = command.split(' ').skip(1).filter(|arg| *arg != "--watch").collect();
        let told = finished(&args);
        assert_eq!(told.code, Some(0), "{command}: {}", told.stderr);
        assert!(format!("{}{}", told.stdout, told.stderr).contains(answer), "{command}: {}", told.stdout);
    }
}

#[test]
fn where_nobody_answers_the_banner_says_what_can_be_done() {
    let silent = nobody();
    let router = Watched::start(&["--listen", "127.0.0.1:0", "--node", &format!("mini={silent}")]);
    let mini = router.line("nodes");
    assert!(mini.ends_with(&format!("mini  http://{silent}  no answer: nothing listens there")), "{mini}");
    for told in [
        "no machine answers yet",
        "ollama serve",
        "herdwick --node",
        "herdwick --demo",
        "herdwick status --router",
    ] {
        router.line(told);
    }

    let node = Node::start("bare", &["--model", "m:1b"]);
    node.script(r#"[{"tags":{"body":{"models":[]}}}]"#);
    let router = Watched::start(&["--listen", "127.0.0.1:0", "--node", &node.spec(1)]);
    router.line("there is no model yet");
    router.line("ollama pull llama3.2");
}
