//! Bodies of requests: the scanner never panics or hangs, and agrees with the reference of its own tests.

#![no_main]

#[path = "../../../host/scan/tests/scan/reference.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|body: &[u8]| reference::agree(body));
