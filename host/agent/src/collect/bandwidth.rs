//! How fast this machine reads its memory: measured once, when it has nothing to do, and kept for as long as it is the same
//! start of the same machine. It bounds how fast a processor can answer, since every token needs the whole model read.
//!
//! Reading is measured and not copying, as STREAM does: answering only reads. It takes a fifth of a second and, for that
//! time, some of the memory that is free.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use herdwick_wire::beat::limits;
use herdwick_wire::machine::BandwidthFacts;
use serde::{Deserialize, Serialize};

use super::source::{Found, Next, Source};
use crate::state;

/// The machine was idle if its processor was busy for less of the time than this.
const IDLE: f64 = 0.2;
/// How long it has to be idle before it is measured. The first look has nothing to compare with.
const CALM: Duration = Duration::from_secs(10);
/// How long threads get to fetch their memory from the system, and then to read it.
const FETCH: Duration = Duration::from_millis(80);
const READ: Duration = Duration::from_millis(100);
/// Threads that read. Eight fill the memory channels of a desktop; a server's are not all filled, but then they are not
/// by a model either.
const THREADS: usize = 8;
/// Bytes of one thread: at least, and at most. What a cache holds is no memory.
const SLICE: (u64, u64) = (16 << 20, 128 << 20);
/// Share of the free memory that may be used.
const ROOM: u64 = 8;
/// Where it is kept in the state folder.
const FILE: &str = "bandwidth.json";

/// What must be known to measure.
pub(super) trait Surroundings: Send {
    /// How busy the processor was since the last call.
    fn busy(&mut self) -> Option<f64>;
    /// Bytes that may be used without anybody missing them.
    fn free(&mut self) -> Option<u64>;
    /// Bytes of the largest cache that some processors share.
    fn cache(&self) -> u64;
    /// Another text after each start and for each machine.
    fn identity(&mut self) -> Option<String>;
}

/// Measures, or remembers.
pub(super) struct Bandwidth {
    folder: PathBuf,
    around: Box<dyn Surroundings>,
}

/// As it is kept.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    machine: String,
    bytes_per_s: f64,
    /// Seconds since 1970.
    measured: u64,
}

impl Bandwidth {
    /// Keeps it in this folder.
    pub(super) fn new(folder: PathBuf, around: Box<dyn Surroundings>) -> Self {
        Self { folder, around }
    }

    fn find(&mut self) -> Option<Kept> {
        let machine = self.around.identity()?;
        if let Some(kept) = read(&self.folder).filter(|kept| kept.machine == machine) {
            return Some(kept);
        }
        if self.around.busy()? >= IDLE {
            return None;
        }
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        let (least, most) = SLICE;
        let slice = (2 * self.around.cache()).clamp(least, most);
        let room = self.around.free()? / ROOM / threads as u64;
        // In less than this a cache would be measured.
        if room < slice {
            return None;
        }
        let bytes_per_s =
            measure(threads, slice as usize).filter(|rate| limits::BYTES_PER_S.contains(rate))?;
        tracing::info!("memory is read at {:.1} GB/s", bytes_per_s / 1e9);
        let kept = Kept { machine, bytes_per_s, measured: now() };
        // Whoever cannot keep it measures again after the next start.
        if let Err(error) = write(&self.folder, &kept) {
            tracing::debug!("how fast memory is read cannot be kept: {error}");
        }
        Some(kept)
    }
}

impl Source for Bandwidth {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn keeps(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self) -> (Found, Next) {
        let Some(kept) = self.find() else { return (Found::default(), Next::After(CALM)) };
        let age = Duration::from_secs(now().saturating_sub(kept.measured));
        let mut found = Found::default();
        found.facts.bandwidth = Some(BandwidthFacts {
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            bytes_per_s: kept.bytes_per_s,
        });
        (found, Next::Never)
    }
}

/// Bytes per second that so many threads read together, each its own bytes again and again.
fn measure(threads: usize, bytes: usize) -> Option<f64> {
    let fetched = Instant::now() + FETCH;
    let rates: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .filter_map(|_| {
                thread::Builder::new().spawn_scoped(scope, move || read_until(bytes, fetched)).ok()
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().ok().flatten()).collect()
    });
    let whole: Option<Vec<f64>> = rates.into_iter().collect();
    // Whole bytes are read from the file as they were written.
    whole.filter(|rates| rates.len() == threads).map(|rates| rates.iter().sum::<f64>().round())
}

/// Fetches memory, waits for the others until then, and reads: bytes per second of this thread.
fn read_until(bytes: usize, fetched: Instant) -> Option<f64> {
    yield_to_others();
    let mut memory: Vec<u64> = Vec::new();
    memory.try_reserve_exact(bytes / size_of::<u64>()).ok()?;
    // Written to, since memory that nobody wrote to is all the same page.
    memory.extend((0..(bytes / size_of::<u64>()) as u64).map(|word| word | 1));
    let (_here, nobody) = mpsc::channel::<()>();
    let _ = nobody.recv_timeout(fetched.saturating_duration_since(Instant::now()));
    let began = Instant::now();
    let mut passes = 0_u64;
    while passes == 0 || began.elapsed() < READ {
        let sum = memory.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word));
        // Or the compiler would see that nobody wants to know.
        std::hint::black_box(sum);
        passes += 1;
    }
    Some((passes * bytes as u64) as f64 / began.elapsed().as_secs_f64())
}

/// Lets everybody else run first. Of other systems this would be asked for the whole process, beats included.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    // Without it the measurement is only a little less polite.
    let _ = rustix::process::nice(19);
}

fn read(folder: &Path) -> Option<Kept> {
    let kept: Kept = serde_json::from_slice(&state::read(&folder.join(FILE)).ok()??).ok()?;
    limits::BYTES_PER_S.contains(&kept.bytes_per_s).then_some(kept)
}

fn write(folder: &Path, kept: &Kept) -> std::io::Result<()> {
    state::write(&folder.join(FILE), &serde_json::to_vec(kept)?)
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        busy: Vec<Option<f64>>,
        free: u64,
        identity: &'static str,
    }

    impl Surroundings for Scene {
        fn busy(&mut self) -> Option<f64> {
            self.busy.pop().flatten()
        }
        fn free(&mut self) -> Option<u64> {
            Some(self.free)
        }
        fn cache(&self) -> u64 {
            0
        }
        fn identity(&mut self) -> Option<String> {
            Some(self.identity.to_owned())
        }
    }

    fn source(folder: &Path, busy: &[Option<f64>], free: u64, identity: &'static str) -> Bandwidth {
        let busy = busy.iter().rev().copied().collect();
        Bandwidth::new(folder.to_owned(), Box::new(Scene { busy, free, identity }))
    }

    fn told(source: &mut Bandwidth) -> Option<f64> {
        source.look().0.facts.bandwidth.map(|it| it.bytes_per_s)
    }

    #[test]
    fn an_idle_machine_is_measured_once_and_remembered_until_it_is_another() {
        let folder = crate::tests::folder("bandwidth");
        let mut first = source(&folder, &[None, Some(0.9), Some(0.9)], 1 << 40, "a");
        assert_eq!((told(&mut first), told(&mut first)), (None, None), "nobody knows yet; then it is busy");
        assert_eq!(first.look().1, Next::After(CALM));
        let measured = told(&mut source(&folder, &[Some(0.1)], 1 << 40, "a")).expect("it is idle");
        assert!(limits::BYTES_PER_S.contains(&measured), "{measured} bytes per second");
        let mut again = source(&folder, &[], 0, "a");
        assert_eq!((told(&mut again), again.look().1), (Some(measured), Next::Never));
        assert_eq!(
            told(&mut source(&folder, &[None], 1 << 40, "b")),
            None,
            "another machine, or another start"
        );
    }

    #[test]
    fn what_is_short_of_memory_is_left_alone() {
        let folder = crate::tests::folder("bandwidth-room");
        assert_eq!(told(&mut source(&folder, &[Some(0.0)], 64 << 20, "a")), None);
    }

    #[test]
    fn a_figure_that_cannot_be_is_measured_anew() {
        let folder = crate::tests::folder("bandwidth-odd");
        for kept in [
            "",
            "{}",
            r#"{"machine":"a","bytes_per_s":0,"measured":0}"#,
            r#"{"machine":"a","bytes_per_s":1e99,"measured":0}"#,
        ] {
            std::fs::write(folder.join(FILE), kept).expect("a file");
            assert_eq!(read(&folder), None, "{kept}");
        }
        let kept = Kept { machine: "a".to_owned(), bytes_per_s: 2e10, measured: u64::MAX };
        write(&folder, &kept).expect("a file");
        assert_eq!(
            source(&folder, &[], 0, "a").look().0.facts.bandwidth.map(|it| it.age_ms),
            Some(0),
            "clocks may go back"
        );
    }
}
