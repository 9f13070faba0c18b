//! `/v1/audio/transcriptions`: a form goes in, one text comes out.

use fakenode::{FakeNode, ModelSpec, NodeSpec, Verb};
use serde_json::Value;

use crate::client::{Client, Reply, node, quick};

fn listener() -> FakeNode {
    let deaf = ModelSpec { name: "deaf".to_owned(), ..quick() };
    node(NodeSpec::new("test").model(quick().capabilities(["completion", "audio"])).model(deaf))
}

fn send(node: &FakeNode, fields: &[(&str, &str)]) -> Reply {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n"));
    }
    body.push_str("--b--\r\n");
    let mut client = Client::connect(node);
    client.send(&format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.reply()
}

#[test]
fn a_sound_becomes_text() {
    let node = listener();
    let form = |sound| [("name=\"model\"", "m"), ("name=\"file\"; filename=\"a.wav\"", sound)];
    let heard = send(&node, &form("RIFF")).json();
    let text = heard["text"].as_str().expect("text");
    assert!(!text.is_empty());
    assert_ne!(send(&node, &form("other")).json()["text"], text, "another sound, another text");
    let plain = send(&node, &[form("RIFF").as_slice(), &[("name=\"response_format\"", "text")]].concat());
    assert_eq!(plain.body, text);
    assert!(plain.head.contains("Content-Type: text/plain\r\n"), "{}", plain.head);
}

#[test]
fn what_cannot_be_heard_is_refused() {
    let node = listener();
    let file = ("name=\"file\"; filename=\"a.wav\"", "RIFF");
    let message = |reply: &Reply| reply.json()["error"]["message"].as_str().expect("a message").to_owned();
    let deaf = send(&node, &[("name=\"model\"", "deaf"), file]);
    let inner: Value = serde_json::from_str(&message(&deaf)).expect("the runner's own JSON");
    assert_eq!(deaf.status, 500);
    assert!(
        inner["error"]["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("audio input is not supported"))
    );
    let absent = send(&node, &[("name=\"model\"", "x"), file]);
    assert_eq!((absent.status, message(&absent).as_str()), (404, "model 'x' not found"));
    let nameless = send(&node, &[file]);
    assert_eq!((nameless.status, message(&nameless).as_str()), (400, "model is required"));
    node.script([Verb::Errline { after: 1, msg: None }]);
    assert_eq!(send(&node, &[("name=\"model\"", "m"), file]).status, 500);
}
