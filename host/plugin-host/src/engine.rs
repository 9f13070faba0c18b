//! The wasmtime engine and the clock that ends guests which do not end themselves.
//!
//! The clock is a thread that ticks the engine's epoch every millisecond. It rests when no guest was called for
//! a while; a call wakes it only then, so that in traffic no request wakes another thread.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::{Config, Engine};

use crate::limits;

/// One tick. Deadlines are whole ticks.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a call after which the clock rests.
const IDLE_TICKS: u32 = 1_000;

/// The engine's clock. Dropping it ends the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    clock: Thread,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    calls: AtomicU64,
    resting: AtomicBool,
    ended: AtomicBool,
}

/// The engine that all plugins share.
pub(crate) fn engine() -> Result<Engine, wasmtime::Error> {
    Engine::new(&config())
}

/// One that compiles to the same code, with one thread.
pub(crate) fn engine_of_one_thread() -> Result<Engine, wasmtime::Error> {
    let mut config = config();
    config.parallel_compilation(false);
    Engine::new(&config)
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // The same rows give the same bytes on every processor, so that a stored decision can be replayed.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // Bounds hold per memory, and no toolchain for plugins needs a second or a large one.
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .max_wasm_stack(limits::STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20));
    config
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, seen) = (engine.clone(), Arc::clone(&shared));
        let thread =
            std::thread::Builder::new().name("plugin-clock".into()).spawn(move || tick(&engine, &seen))?;
        Ok(Self { shared, clock: thread.thread().clone(), thread: Some(thread) })
    }

    /// To be said before guests are called: the clock runs for at least a while from now on.
    pub(crate) fn call_begins(&self) {
        // Both sides write their flag before they read the other's (sequentially consistent), so either the
        // clock sees this call before it rests, or this call sees that it rests.
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.resting.load(Ordering::SeqCst) {
            self.clock.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.clock.unpark();
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic; were it to, there is nothing left to tell.
            let _ = thread.join();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock that has nothing to wait for but time")]
fn tick(engine: &Engine, shared: &Shared) {
    let mut calls = 0;
    let mut idle = 0;
    while !shared.ended.load(Ordering::SeqCst) {
        std::thread::sleep(TICK);
        engine.increment_epoch();
        let seen = shared.calls.load(Ordering::SeqCst);
        idle = if seen == calls { idle + 1 } else { 0 };
        calls = seen;
        if idle < IDLE_TICKS {
            continue;
        }
        shared.resting.store(true, Ordering::SeqCst);
        while shared.calls.load(Ordering::SeqCst) == calls && !shared.ended.load(Ordering::SeqCst) {
            // May return for no reason, hence the loop.
            std::thread::park();
        }
        shared.resting.store(false, Ordering::SeqCst);
        idle = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_rests_when_nobody_calls_and_wakes_for_a_call() {
        let engine = engine().expect("an engine");
        let ticker = Ticker::start(&engine).expect("a thread");
        let until = |resting| {
            let patience = std::time::Instant::now();
            while ticker.shared.resting.load(Ordering::SeqCst) != resting {
                assert!(patience.elapsed() < Duration::from_secs(30), "resting should become {resting}");
                std::thread::yield_now();
            }
        };
        until(true);
        ticker.call_begins();
        until(false);
    }
}
