//! Compiling in a process of its own. The child is this test program, told to run [`entry`] alone.
#![cfg(unix)]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use guests::Signal;
use herdwick_plugin_host::config::PluginsConfig;
use herdwick_plugin_host::{
    CompileLimits, Isolation, Loader, Package, Plugin, Source, compile_in_child_main,
};

use super::caching::fresh;

const CHILD: &str = "HERDWICK_TEST_CHILD";

/// Not a test but the child, when it is one.
#[test]
fn entry() {
    if std::env::var_os(CHILD).is_some() {
        // The test harness writes to standard output itself, so the shell put ours on another descriptor.
        let output = std::fs::File::options().write(true).open("/dev/fd/3").expect("the shell opened it");
        compile_in_child_main(std::io::stdin().lock(), output).expect("the parent reads");
    }
}

fn shell(script: &str, limits: CompileLimits) -> Isolation {
    let exe = std::env::current_exe().expect("it runs");
    let args = ["-c".into(), script.into(), exe.into_os_string()];
    Isolation { program: "/bin/sh".into(), args: args.into_iter().collect::<Vec<OsString>>(), limits }
}

fn child(limits: CompileLimits) -> Isolation {
    // One arena: glibc would reserve 64 MiB for the test's thread before the child limits itself.
    let script = format!(
        "{CHILD}=1 MALLOC_ARENA_MAX=1 exec \"$0\" --exact isolating::entry --nocapture 3>&1 1>/dev/null"
    );
    shell(&script, limits)
}

/// A guest over the size from which a child compiles.
fn large() -> Vec<u8> {
    let name = "x".repeat(1 << 20);
    guests::with_section(
        Signal::default().component().expect("the guest assembles"),
        "padding",
        name.as_bytes(),
    )
}

fn load(bytes: Vec<u8>, isolation: Isolation) -> Result<Plugin, String> {
    let loader = Loader::new(None).expect("an engine").isolated(isolation);
    load_with(&loader, bytes)
}

fn load_with(loader: &Loader, bytes: Vec<u8>) -> Result<Plugin, String> {
    let package = Package::new(Source::File("it.wasm".into()), bytes);
    loader.load(&package, &PluginsConfig::default()).map_err(|problems| problems[0].to_string())
}

#[test]
fn a_large_plugin_is_compiled_by_a_child_and_kept() {
    let loaded = load(large(), child(CompileLimits::default()));
    assert_eq!(loaded.map(|plugin| plugin.id().to_string()), Ok("guest".to_owned()));

    let cache = fresh("of-children");
    let loader = || Loader::new(Some(cache.clone())).expect("an engine");
    assert!(load_with(&loader().isolated(child(CompileLimits::default())), large()).is_ok());
    let nobody = shell("exit 1", CompileLimits::default());
    assert!(load_with(&loader().isolated(nobody), large()).is_ok(), "it comes out of the cache");
}

#[test]
fn a_small_plugin_needs_no_child() {
    let small = Signal::default().component().expect("the guest assembles");
    assert!(load(small, shell("exit 1", CompileLimits::default())).is_ok());
}

#[test]
fn what_the_child_refuses_is_refused_in_its_words() {
    let mut broken = large();
    let middle = broken.len() - (1 << 20) - 600;
    broken.truncate(middle);
    broken.extend(vec![0xff; 1 << 20]);
    let refusal = load(broken, child(CompileLimits::default())).err().expect("refused");
    assert!(refusal.contains("is no valid component"), "{refusal}");
}

#[test]
fn a_child_that_wants_too_much_memory_is_named_for_it() {
    let limits = CompileLimits { memory_bytes: 32 << 20, ..CompileLimits::default() };
    let refusal = load(large(), child(limits)).err().expect("refused");
    assert!(refusal.contains("compiling takes more than 32 MiB"), "{refusal}");
}

/// A guest that keeps a compiler busy for seconds.
fn laborious() -> Vec<u8> {
    let mut functions = String::new();
    for index in 0..1_500 {
        let _ = write!(functions, "(func (param f64 i32) (result f64) (local f64)");
        for step in 0..60 {
            let _ = write!(
                functions,
                "(if (i32.and (local.get 1) (i32.const {step}))
                   (then (local.set 2 (f64.div (local.get 0) (f64.add (local.get 2) (f64.const {index}))))))"
            );
        }
        functions.push_str("(local.get 2))");
    }
    let guest = Signal { imports: &functions, ..Signal::default() };
    let bytes = guest.component().expect("the guest assembles");
    guests::with_section(bytes, "padding", &[b'x'; 1 << 20])
}

#[test]
fn a_child_that_takes_too_long_is_ended() {
    let bytes = laborious();
    let limits = CompileLimits { cpu_s: 1, ..CompileLimits::default() };
    let refusal = load(bytes.clone(), child(limits)).err().expect("refused");
    assert!(refusal.contains("compiling takes more than 1 s"), "{refusal}");

    let begun = Instant::now();
    let limits = CompileLimits { wall: Duration::from_millis(1_100), ..CompileLimits::default() };
    let refusal = load(bytes, shell("while :; do :; done", limits)).err().expect("refused");
    assert!(refusal.contains("compiling takes more than 1 s"), "{refusal}");
    assert!(begun.elapsed() < Duration::from_secs(60), "nobody waited for it");
}

#[test]
fn a_child_that_dies_costs_the_plugin_its_place_and_says_why() {
    for (script, told) in [
        ("echo oops >&2; exit 3", "exit status: 3 oops"),
        ("printf '\\0garbage'", "exit status: 0"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let refusal = load(large(), shell(script, CompileLimits::default())).err().expect("refused");
        assert!(
            refusal.contains("the process that compiles it failed") && refusal.contains(told),
            "{refusal}"
        );
    }
    let mut nobody = shell("", CompileLimits::default());
    nobody.program = "/no/such/program".into();
    let refusal = load(large(), nobody).err().expect("refused");
    assert!(refusal.contains("cannot be started"), "{refusal}");
}
