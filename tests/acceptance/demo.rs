//! `--demo`: the first thing that anybody tries.

use crate::support::{Client, Router};

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
