//! Raw bytes into a router's socket: it never panics, it answers in HTTP or hangs up, and whatever reaches its backend is
//! a request of ours: one of our paths, framed by one length, with none of a client's headers that must stay here, and
//! with a body that the scanner lets pass. There are no more of them than the bytes could mean.

#![no_main]

#[path = "../rig.rs"]
mod rig;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long the router may think about bytes that might go on, before it is told that they do not.
const PATIENCE: Duration = Duration::from_millis(4);
/// How long it may take to hang up then.
const END: Duration = Duration::from_secs(4);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let rig = rig::get();
    let before = rig.asked();
    let mut client = TcpStream::connect(rig.router).expect("the router listens");
    // Closing with a reset leaves no socket behind that waits for stragglers.
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("a socket can be set so");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    // A router that refuses early does not read the rest.
    let _ = client.write_all(input);
    let mut answer = vec![0; 1 << 16];
    let mut length = client.read(&mut answer).unwrap_or(0);
    let _ = client.shutdown(Shutdown::Write);
    client.set_read_timeout(Some(END)).expect("a socket takes a timeout");
    while length < answer.len() {
        match client.read(&mut answer[length..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    assert!(
        length == 0 || answer.starts_with(b"HTTP/1."),
        "{:?}",
        String::from_utf8_lossy(&answer[..length.min(80)])
    );
    let posts = input.windows(5).filter(|bytes| bytes == b"POST ").count();
    let asked = rig.asked() - before;
    assert!(asked <= posts, "{asked} requests reached the backend, {posts} were written");
});
