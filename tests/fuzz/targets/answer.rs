//! Answers of backends: however a stream is cut into packets, the same whole frames come out, they are judged alike, and
//! an error frame behind them is read as one, unless the answer had ended before.
//!
//! The first byte of an input says which route, the second in which pieces, the rest is the stream.

#![no_main]

use bytes::Bytes;
use herdwick_dialect::{End, Ending, Endpoint, Splitter, failure, verdict, whole};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [route, size, stream @ ..] = input else { return };
    let endpoint = Endpoint::ALL[usize::from(*route) % Endpoint::ALL.len()];
    let in_one = read(endpoint, stream, stream.len().max(1));
    let in_pieces = read(endpoint, stream, usize::from(*size).max(1));
    if let (Some(one), Some(pieces)) = (&in_one, &in_pieces) {
        assert_eq!(one, pieces, "{endpoint:?} in pieces of {size}");
    }
    assert_eq!(in_one.is_some(), in_pieces.is_some(), "{endpoint:?} in pieces of {size}");
    let _ = verdict::judge(endpoint, 400, stream);
    if whole::check(endpoint, true, stream).is_ok() {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(stream).is_ok());
    }
});

/// The frames that passed, what was left, and how it stood; `None` if a frame was none.
fn read(endpoint: Endpoint, stream: &[u8], size: usize) -> Option<(Vec<u8>, End)> {
    let mut splitter = Splitter::new(endpoint.framing());
    let mut ending = Ending::new(endpoint);
    let mut passed = Vec::new();
    for piece in stream.chunks(size) {
        let frames = splitter.push(Bytes::copy_from_slice(piece)).expect("no input is that long");
        ending.read(&frames).ok()?;
        assert!(frames.is_empty() || frames.ends_with(b"\n"), "only whole frames pass");
        passed.extend_from_slice(&frames);
    }
    let end = ending.end();
    let broke = failure::Break { code: "node_lost", text: "gone", request: "r", response: ending.response() };
    let frame = failure::frame(endpoint, &broke);
    let mut after = Ending::new(endpoint);
    assert!(after.read(&passed).is_ok() && after.read(&frame).is_ok(), "an error frame can follow");
    let expected = if end == End::Truncated { End::Failed } else { end };
    assert_eq!(after.end(), expected, "the first end stays");
    passed.extend_from_slice(&splitter.rest());
    assert_eq!(passed, stream, "nothing is lost and nothing is added");
    Some((passed, end))
}
