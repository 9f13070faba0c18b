//! What a guest may take, in one place. Every number has its reason; `plugins/README.md` prints the same table.

use std::time::Duration;

/// Bytes of a plugin file. A Python guest is 18 MB; nothing sensible is larger.
pub const FILE_BYTES: usize = 32 << 20;
/// Bytes of a manifest, inside a plugin or beside it.
pub const SIDECAR_BYTES: usize = 64 << 10;
/// Bytes of memory of one instance, unless its manifest asks for more. The signals that we ship use under 1 MiB.
pub const MEMORY_BYTES: usize = 16 << 20;
/// The most that a manifest may ask for: what a Python guest needs, twice.
pub const MEMORY_MOST_BYTES: usize = 128 << 20;
/// A file over this many bytes brings a language's runtime with it: it is given longer to take its settings, and
/// is compiled in a process of its own where there is one.
pub const LARGE_BYTES: usize = 1 << 20;
/// Elements of all of a guest's function tables.
pub const TABLE_ELEMENTS: usize = 20_000;
/// Core instances inside one component instance. A Python guest links some two dozen.
pub const CORE_ITEMS: usize = 40;
/// Memories of one instance. The bound on bytes holds for each, so there is one.
pub const MEMORIES: usize = 1;
/// Tables of one instance; the bound on elements holds for each.
pub const TABLES: usize = 4;
/// Times that the trial of a new plugin is repeated when it runs out of time: the machine may be busy, and a
/// plugin that is really too slow fails each time.
pub const TRIALS: usize = 3;
/// Native stack of a guest in bytes: wasmtime's own default, named so that a change there changes nothing here.
pub const STACK_BYTES: usize = 512 << 10;
/// Seconds of processor time in which a child compiles a plugin. A Python guest takes 8, on a small board six times that.
pub const COMPILE_CPU_S: u64 = 120;
/// Bytes of address space of that child. A Python guest takes 360 MiB.
pub const COMPILE_MEMORY_BYTES: u64 = 1 << 30;
/// How long that child may take by the clock: it has the lowest rank on a machine that has other things to do.
pub const COMPILE_WALL: Duration = Duration::from_secs(300);
/// Columns that one signal may ask for.
pub const COLUMNS: usize = 64;
/// Words that one signal may ask for.
pub const WORDS: usize = 8;
/// Bytes of a plugin's name.
pub const NAME_BYTES: usize = 64;
/// Bytes of a guest's error text that we keep.
pub const ERROR_BYTES: usize = 1 << 10;
/// Bytes of one log line of a guest.
pub const LOG_LINE_BYTES: usize = 256;
/// Log lines of one guest per call; the rest are counted and dropped.
pub const LOG_LINES_PER_CALL: u32 = 10;
/// Largest cost in milliseconds, either way. Ten minutes outweigh anything real and still add up sanely.
pub const COST_MS: f64 = 600_000.0;
/// Lanes of a set: one for the data thread and one spare while the other is being mended.
pub const LANES: usize = 2;

/// What one kind of call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Milliseconds of wall time, counted in ticks of the engine's 1 ms epoch.
    pub ms: u64,
    /// Bytes that an answer may make the host allocate.
    pub answer_bytes: usize,
}

/// `cost` and `cost-for`: on the path of a request.
pub const COST: Budget = Budget { ms: 5, answer_bytes: 64 << 10 };
/// `describe`.
pub const DESCRIBE: Budget = Budget { ms: 100, answer_bytes: 256 << 10 };
/// `configure`.
pub const CONFIGURE: Budget = Budget { ms: 250, answer_bytes: 64 << 10 };
/// `explain`: for people, never on the path of a request.
pub const EXPLAIN: Budget = Budget { ms: 50, answer_bytes: 256 << 10 };
/// Bytes of one phrase of an explanation.
pub const PHRASE_BYTES: usize = 120;
/// `configure` of a guest over [`LARGE_BYTES`]; its first call is often the one that starts its runtime.
pub const CONFIGURE_LARGE: Budget = Budget { ms: 1_000, answer_bytes: 64 << 10 };
/// A fallback rule's `next`: a request waits for it, but not every request.
pub const NEXT: Budget = Budget { ms: 20, answer_bytes: 64 << 10 };
/// A health plugin's `checks`.
pub const CHECKS: Budget = Budget { ms: 100, answer_bytes: 256 << 10 };
/// A health plugin's `plan`.
pub const PLAN: Budget = Budget { ms: 100, answer_bytes: 256 << 10 };
/// A health plugin's `judge`.
pub const JUDGE: Budget = Budget { ms: 250, answer_bytes: 1 << 20 };
/// Checks that one health plugin may have.
pub const CHECK_COUNT: usize = 64;
/// Questions that one health plugin may have for the fleet at a time.
pub const PROBE_COUNT: usize = 256;
/// Findings of one health plugin at a time.
pub const FINDING_COUNT: usize = 1_000;
/// Bytes of one text in a finding. Longer ones are cut: they are for a page, not for a book.
pub const FINDING_TEXT_BYTES: usize = 4 << 10;
