//! What the compiler takes, and what becomes of what it made.

use guests::Signal;
use herdwick_plugin_host::Kind;

use super::alone;
use super::kinds::load;
use super::scoring::{ask, costs};

/// A signal that prints, asks for randomness, the time and the environment, and sleeps, before each answer: what
/// the runtimes of other languages do. Its answer is 1 if everything was as an empty world should be.
const PREVIEW1: Signal<'static> = Signal {
    name: "preview1",
    columns: &[],
    words: &[],
    may_veto: false,
    imports: r#"
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
          (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"#,
    one: r#"
        (local $at i32)
        (local.set $at (call $alloc (i32.const 256)))
        ;; One buffer of five bytes: all of it is written.
        (i32.store offset=4 (local.get $at) (i32.const 5))
        (if (call $write (i32.const 1) (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 8)))
          (then unreachable))
        (if (i32.ne (i32.load offset=8 (local.get $at)) (i32.const 5)) (then unreachable))
        (if (call $random (i32.add (local.get $at) (i32.const 16)) (i32.const 8)) (then unreachable))
        (if (i64.eqz (i64.load offset=16 (local.get $at))) (then unreachable))
        (if (call $time (i32.const 0) (i64.const 0) (i32.add (local.get $at) (i32.const 24))) (then unreachable))
        (if (call $environ (local.get $at) (i32.add (local.get $at) (i32.const 4))) (then unreachable))
        (if (i32.load (local.get $at)) (then unreachable))
        ;; A subscription to a clock, whose name comes back in one event.
        (i64.store offset=32 (local.get $at) (i64.const 77))
        (i64.store offset=40 (local.get $at) (i64.const 0))
        (if (call $poll (i32.add (local.get $at) (i32.const 32)) (i32.add (local.get $at) (i32.const 96))
              (i32.const 1) (i32.add (local.get $at) (i32.const 128)))
          (then unreachable))
        (if (i64.ne (i64.load offset=96 (local.get $at)) (i64.const 77)) (then unreachable))
        ;; No file can be opened.
        (f64.convert_i32_u (i32.eq (i32.const 8)
          (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)
            (i64.const 0) (i32.const 0) (i32.const 0))))"#,
    cost: None,
    configure: "(call $ok (i32.const 0) (i32.const 0))",
    pages: 4,
};

#[test]
fn a_core_module_with_its_type_inside_is_a_plugin() {
    let module = Signal::default().module().expect("the guest assembles");
    assert_eq!(load(module).expect("it loads").kind(), Kind::Signal);
}

#[test]
fn a_core_module_that_wants_preview_1_gets_an_empty_world() {
    let module = PREVIEW1.module().expect("the guest assembles");
    let host = alone("preview1", &module).expect("it loads");
    let sheet = ask(&host, &[(1.0, 1.0)]);
    assert_eq!(costs(&sheet, "preview1"), [1.0], "{:?}", sheet.faults);
}

#[test]
fn a_core_module_without_its_type_is_told_what_it_lacks() {
    for module in [Signal::default(), PREVIEW1] {
        let refusal = load(module.bare_module().expect("the guest assembles")).err().expect("refused");
        assert!(refusal.contains("a core module without its interface"), "{refusal}");
    }
}

#[test]
fn machine_code_is_refused_by_name() {
    for (bytes, told) in [
        (&b"\x7fELF\x02\x01\x01\x00"[..], "machine code (ELF, as in .cwasm files), which is never loaded"),
        (b"\xcf\xfa\xed\xfe\x07\x00", "machine code (Mach-O)"),
        (b"MZ\x90\x00", "machine code (PE)"),
    ] {
        let refusal = load(bytes.to_vec()).err().expect("refused");
        assert!(refusal.contains(told), "{refusal}");
    }
}

#[test]
fn damaged_files_are_refused_wherever_they_are_cut() {
    let component = Signal::default().component().expect("the guest assembles");
    let module = Signal::default().module().expect("the guest assembles");
    for whole in [component, module] {
        for cut in (0..whole.len()).step_by(whole.len() / 40).chain([whole.len() - 1]) {
            // Custom sections at the end are names for people: a file that lost only those is whole.
            if whole[cut] == 0 && load(whole[..cut].to_vec()).is_ok() {
                continue;
            }
            let refusal =
                load(whole[..cut].to_vec()).err().unwrap_or_else(|| panic!("cut at {cut} it loads"));
            assert!(refusal.starts_with("plugin it.wasm: "), "{refusal}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_nobody_else_anything() {
    let whole = Signal::default().component().expect("the guest assembles");
    for at in (8..whole.len()).step_by(whole.len() / 41) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        // Some load, since a name or a constant is another; none may do more than be refused.
        if let Err(refusal) = load(flipped) {
            assert!(refusal.starts_with("plugin it.wasm: "), "{refusal}");
        }
    }
}

#[test]
fn noise_is_refused_behind_any_header() {
    // The numbers of a linear congruential generator: the same noise on every machine.
    let mut state = 1_u32;
    let mut noise = || -> Vec<u8> {
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(4_000).collect()
    };
    for header in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"] {
        for _ in 0..20 {
            assert!(load([header, &noise()].concat()).is_err());
        }
    }
}

#[test]
fn a_file_of_50_megabytes_is_refused_before_anybody_reads_it() {
    let refusal = load(vec![0; 50 << 20]).err().expect("refused");
    assert!(refusal.contains("is larger than 32 MiB"), "{refusal}");
}
