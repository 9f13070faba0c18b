//! The binary: one line when it accepts, and a clean end at SIGTERM.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn the_binary_announces_itself_serves_and_stops_at_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fakenode"))
        .args(["--name", "studio", "--model", "a,resident"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    let address =
        line.trim_end().strip_prefix("fakenode studio listening on http://").expect("the agreed line");
    let mut stream = TcpStream::connect(address).expect("it accepts already");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("Ollama is running"), "{answer}");

    let killed = Command::new("kill").arg(child.id().to_string()).status().expect("kill exists");
    assert!(killed.success());
    assert!(child.wait().expect("it ends").success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the pipe ends");
    assert_eq!(rest, "", "exactly one line");
}

#[test]
fn wrong_arguments_are_explained() {
    let output = Command::new(env!("CARGO_BIN_EXE_fakenode"))
        .args(["--slots", "0", "--model", "a,load=soon"])
        .output()
        .expect("the binary starts");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("--slots 0") && text.contains("load=soon"), "{text}");
}
