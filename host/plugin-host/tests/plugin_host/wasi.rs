//! Components that import WASI: they print, sleep, drop streams and ask for everything, also where a request is
//! served, inside a tokio runtime of one thread; and nothing of it waits, panics or tells them anything.
#![cfg(feature = "wasi")]

use std::time::{Duration, Instant};

use guests::Signal;
use herdwick_plugin_host::PluginHost;

use super::scoring::{ask, costs};

const IMPORTS: &str = r#"
  (import "wasi:cli/stdout@0.2.9" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stdin@0.2.9" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/environment@0.2.9" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.9" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/environment@0.2.9" "initial-cwd" (func $cwd (param i32)))
  (import "wasi:cli/terminal-stdout@0.2.9" "get-terminal-stdout" (func $terminal (param i32)))
  (import "wasi:cli/exit@0.2.9" "exit" (func $exit (param i32)))
  (import "wasi:filesystem/preopens@0.2.9" "get-directories" (func $directories (param i32)))
  (import "wasi:sockets/instance-network@0.2.9" "instance-network" (func $network (result i32)))
  (import "wasi:io/streams@0.2.9" "[method]output-stream.blocking-write-and-flush"
    (func $print (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.9" "[method]output-stream.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:io/streams@0.2.9" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.9" "[resource-drop]output-stream" (func $drop-output (param i32)))
  (import "wasi:io/streams@0.2.9" "[resource-drop]input-stream" (func $drop-input (param i32)))
  (import "wasi:io/poll@0.2.9" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.9" "[resource-drop]pollable" (func $drop-pollable (param i32)))
  (import "wasi:io/poll@0.2.9" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:clocks/monotonic-clock@0.2.9" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.9" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.9" "now" (func $date (param i32)))
  (import "wasi:random/random@0.2.9" "get-random-u64" (func $random (result i64)))
  (import "wasi:random/random@0.2.9" "get-random-bytes" (func $random-bytes (param i64 i32)))"#;

/// Goes through all of it and answers 1.
const TOURIST: &str = r#"
  (local $at i32) (local $stream i32) (local $timer i32) (local $then i64)
  (local.set $at (call $alloc (i32.const 256)))
  ;; Prints eight bytes and a line's end.
  (i64.store (local.get $at) (i64.const 0x6f6c6c6568))
  (i32.store8 offset=8 (local.get $at) (i32.const 10))
  (local.set $stream (call $stdout))
  (call $print (local.get $stream) (local.get $at) (i32.const 9) (i32.add (local.get $at) (i32.const 16)))
  (if (i32.load8_u offset=16 (local.get $at)) (then unreachable))
  (local.set $timer (call $subscribe (local.get $stream)))
  (call $block (local.get $timer))
  (call $drop-pollable (local.get $timer))
  (call $drop-output (local.get $stream))
  ;; Reads: closed is case 1 of the error.
  (local.set $stream (call $stdin))
  (call $read (local.get $stream) (i64.const 10) (local.get $at))
  (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 1)) (then unreachable))
  (if (i32.ne (i32.load8_u offset=4 (local.get $at)) (i32.const 1)) (then unreachable))
  (call $drop-input (local.get $stream))
  ;; Sleeps an hour, twice; the clock does not notice.
  (local.set $then (call $now))
  (local.set $timer (call $after (i64.const 3600000000000)))
  (call $block (local.get $timer))
  (i32.store (local.get $at) (local.get $timer))
  (call $poll (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 8)))
  (if (i32.ne (i32.load offset=12 (local.get $at)) (i32.const 1)) (then unreachable))
  (call $drop-pollable (local.get $timer))
  (if (i64.ne (call $now) (local.get $then)) (then unreachable))
  (call $date (local.get $at))
  (if (i64.ne (i64.load (local.get $at)) (i64.div_u (local.get $then) (i64.const 1000000000))) (then unreachable))
  ;; Two different numbers, and eleven bytes.
  (if (i64.eq (call $random) (call $random)) (then unreachable))
  (call $random-bytes (i64.const 11) (local.get $at))
  (if (i32.ne (i32.load offset=4 (local.get $at)) (i32.const 11)) (then unreachable))
  ;; Nothing is anywhere.
  (call $environment (local.get $at))
  (if (i32.load offset=4 (local.get $at)) (then unreachable))
  (call $arguments (local.get $at))
  (if (i32.load offset=4 (local.get $at)) (then unreachable))
  (call $directories (local.get $at))
  (if (i32.load offset=4 (local.get $at)) (then unreachable))
  (call $cwd (local.get $at))
  (if (i32.load8_u (local.get $at)) (then unreachable))
  (call $terminal (local.get $at))
  (if (i32.load8_u (local.get $at)) (then unreachable))
  (f64.const 1)"#;

fn start(one: &str) -> Result<PluginHost, String> {
    let guest = Signal { name: "tourist", one, imports: IMPORTS, ..Signal::default() };
    let bytes = guest.wasi_component().expect("the guest assembles");
    super::alone("tourist", &bytes)
}

#[test]
fn nothing_waits_and_nothing_panics_where_requests_are_served() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let begun = Instant::now();
        let host = start(TOURIST).expect("it loads");
        let mut answers = 0;
        for _ in 0..100 {
            let sheet = ask(&host, &[(1.0, 1.0), (1.0, 1.0)]);
            match sheet.faults.first() {
                None => {
                    assert_eq!(costs(&sheet, "tourist"), [1.0, 1.0]);
                    answers += 1;
                }
                // On a busy machine five milliseconds can pass in which it does not run at all.
                Some((_, fault)) => {
                    assert!(fault.contains("longer than") || fault.contains("restarted"), "{fault}");
                    host.current().mend();
                }
            }
        }
        assert!(answers > 0);
        assert!(begun.elapsed() < Duration::from_secs(600), "it did not sleep for hours");
    });
}

#[test]
fn what_an_empty_world_does_not_have_traps_with_its_name() {
    for (one, told) in [
        (
            "(drop (call $network)) (f64.const 1)",
            "it called wasi:sockets/instance-network@0.2.9#instance-network",
        ),
        ("(call $exit (i32.const 0)) (f64.const 1)", "it called wasi:cli/exit@0.2.9#exit"),
        ("(call $random-bytes (i64.const 5000) (i32.const 0)) (f64.const 1)", "it wants 5000 random bytes"),
        ("(call $poll (i32.const 0) (i32.const 0) (i32.const 0)) (f64.const 1)", "it polls nothing"),
    ] {
        let refusal = start(one).err().expect("the trial calls it");
        assert!(refusal.contains(told), "{refusal}");
    }
}

#[test]
fn who_waits_for_the_clock_is_ended_by_ours() {
    let spins = "(local $then i64) (local.set $then (call $now))
        (loop $on (br_if $on (i64.eq (call $now) (local.get $then)))) (f64.const 1)";
    let refusal = start(spins).err().expect("the trial calls it");
    assert!(refusal.contains("longer than 5 ms"), "{refusal}");
}

#[test]
fn who_forgets_handles_is_stopped_before_it_fills_our_memory() {
    // The trial asks about 219 rows in all.
    let forgets = "(local $i i32)
        (loop $on
          (drop (call $stdin))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $on (i32.lt_u (local.get $i) (i32.const 20))))
        (f64.const 1)";
    let refusal = start(forgets).err().expect("the trial calls it");
    assert!(refusal.contains("holds 4096 handles"), "{refusal}");
}
