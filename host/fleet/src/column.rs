//! The readings a signal may ask for, by name, and the matrix that carries them: one row per candidate.
//!
//! Names are strings in the contract, so that a new reading never changes the interface. Unknown is NaN.

use std::fmt;
use std::sync::Arc;

use crate::backend::{Backend, Holding};
use crate::candidate::Candidate;
use crate::id::RowId;
use crate::learned::{Hour, Rates};
use crate::model::Residency;
use crate::moment::Moment;
use crate::profile::Profile;
use crate::snapshot::Snapshot;

macro_rules! columns {
    ($($name:literal $variant:ident $doc:literal,)*) => {
        /// A named reading. Its unit is its name's suffix.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column {
            $(#[doc = $doc] $variant,)*
        }

        impl Column {
            /// Every column, in the order of the table in the plugin author's guide.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that plugins use.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

columns! {
    "req.prompt-tokens" PromptTokens "Estimated length of the prompt.",
    "req.expected-tokens" ExpectedTokens "Expected length of the answer.",
    "req.context-tokens" ContextTokens "Context the request needs, upper estimate.",
    "req.context-min-tokens" ContextMinTokens "Context the request needs, lower estimate.",
    "req.streaming-flag" Streaming "1 when the client wants a stream.",
    "req.attempt-count" Attempts "Earlier tries of this request.",
    "req.modality-level" Modality "0 text, 1 embedding, 2 vision, 3 image, 4 speech.",
    "time.hour-of-week-count" HourOfWeek "0 to 167, from Monday 0:00, local time of the router.",
    "model.state-level" ModelState "1 on disk, 2 in the page cache, 3 loading, 4 resident.",
    "model.load-ms" ModelLoad "Predicted load time; the rest of it while loading; that of a reload when resident.",
    "model.bytes" ModelBytes "Size on disk.",
    "model.vram-bytes" ModelVram "Bytes of it on the GPU.",
    "model.kv-bytes-per-token" ModelKv "Cache bytes per token of context.",
    "model.resident-context-tokens" ResidentContext "The context it is loaded with.",
    "model.max-context-tokens" MaxContext "The longest context the model allows.",
    "model.last-used-ms" LastUsed "Time since its last request here.",
    "model.copy-elsewhere-flag" CopyElsewhere "1 when another reachable backend has it resident or loading.",
    "model.worth-ms" Worth "What its residency here saved lately.",
    "mem.total-bytes" MemTotal "Memory that models can use.",
    "mem.free-bytes" MemFree "Of it, free.",
    "mem.evictable-bytes" MemEvictable "Of it, held by idle models.",
    "mem.evict-regret-ms" EvictRegret "Predicted cost of what must be evicted.",
    "mem.system-total-bytes" MemSystem "GPU and system memory together.",
    "mem.pressure-level" MemPressure "0 none to 3 critical.",
    "slots.total-count" SlotsTotal "Requests the model takes here at once.",
    "slots.free-count" SlotsFree "Of them, free.",
    "queue.waiting-ms" QueueWaiting "Predicted service time of work that waits here and has not begun.",
    "wait.first-free-ms" FirstFree "Predicted time until a slot frees.",
    "wait.bias-ms" WaitBias "Observed minus predicted wait, averaged.",
    "work.same-count" SameCount "Requests of this model that run here.",
    "work.other-count" OtherCount "Requests of other models that run here.",
    "work.rest-ms" WorkRest "Predicted rest of what runs here.",
    "work.same-util-ratio" SameUtil "Mean number of streams of this model here, last minute.",
    "work.other-util-ratio" OtherUtil "Mean number of streams of other models here, last minute.",
    "load.drain-ms" LoadDrain "Time until busy victims and another load here are out of the way.",
    "rate.prefill-per-s" Prefill "Learned prompt tokens per second.",
    "rate.decode-per-s" Decode "Learned answer tokens per second, alone.",
    "rate.samples-count" RateSamples "Answers behind the rates.",
    "rate.load-bytes-per-s" LoadRate "Learned load rate.",
    "rate.best-other-decode-per-s" BestOtherDecode "The fastest other candidate's decode rate.",
    "rate.same-drag-ratio" SameDrag "Learned slow-down of a stream by each further one of its model here.",
    "rate.other-drag-ratio" OtherDrag "Learned slow-down of a stream by each one of another model here.",
    "node.availability-ratio" Availability "Learned share of this hour in which the machine is ours.",
    "node.trend-ratio" Trend "-1 getting busier to 1 getting freer.",
    "node.thermal-level" Thermal "0 nominal to 3 critical.",
    "node.throttled-flag" Throttled "1 when the hardware slows itself down.",
    "node.battery-flag" Battery "1 on battery.",
    "node.meeting-flag" Meeting "1 while its owner is in a meeting.",
    "node.cpu-busy-ratio" CpuBusy "0 to 1.",
    "node.bandwidth-bytes-per-s" Bandwidth "Memory bandwidth.",
    "err.rate-5m-ratio" ErrorRate "Share of failures, last five minutes.",
    "err.consecutive-count" ErrorRow "Failures in a row.",
    "net.rtt-ms" Rtt "Round trip to the machine.",
    "seen.age-ms" SeenAge "Time since it last answered a probe.",
    "prefix.cached-tokens" CachedTokens "Prompt tokens that its cache is predicted to hold.",
    "session.here-flag" SessionHere "1 when this session's last request went here.",
}

impl Column {
    /// The column with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|column| column.name() == name)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Readings of all candidates: row-major, one row per candidate, the columns as given.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    columns: Arc<[Column]>,
    ids: Vec<f64>,
    values: Vec<f64>,
}

/// Who knows of work what no picture of the fleet holds: what runs how far, what waits, what is worth what.
pub trait Work {
    /// Whether it may know this reading. Asked once for all candidates, so that most readings cost no call.
    fn knows(&self, column: Column) -> bool;

    /// The reading of the candidate at this place, in the order of the candidates. `None` leaves the answer to the
    /// picture; NaN says that nobody knows.
    fn read(&self, row: usize, column: Column) -> Option<f64>;
}

/// Nobody who knows more than the picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWork;

impl Work for NoWork {
    fn knows(&self, _: Column) -> bool {
        false
    }

    fn read(&self, _: usize, _: Column) -> Option<f64> {
        None
    }
}

/// What readings are taken from, but for the candidates themselves.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// The request.
    pub profile: &'a Profile,
    /// The picture of the fleet.
    pub snapshot: &'a Snapshot,
    /// When.
    pub now: Moment,
    /// What is known of work.
    pub work: &'a dyn Work,
}

/// What concerns all candidates of one request together.
struct Shared<'a> {
    profile: &'a Profile,
    now: Moment,
    /// The hour of the week, if somebody said.
    hour: Option<Hour>,
    /// Holders, candidate or not, that have the model resident or loading.
    copies: usize,
    /// Of those the one that streams fastest, how fast, and how fast the next one does; NaN where there is none.
    best: (RowId, f64, f64),
}

impl<'a> Shared<'a> {
    fn new(profile: &'a Profile, snapshot: &Snapshot, now: Moment, wants_best: bool) -> Self {
        let is_copy = |holding: &Holding| {
            matches!(holding.residency(now), Some((Residency::Resident | Residency::Loading, _)))
        };
        let holders = snapshot.holders(&profile.model);
        let copies = holders.filter(|(backend, holding)| backend.unreachable().is_none() && is_copy(holding));
        let (mut count, mut best) = (0, (RowId(u32::MAX), f64::NAN, f64::NAN));
        for (backend, holding) in copies {
            count += 1;
            let rates = wants_best.then(|| holding.rates(backend, now)).flatten();
            let Some(per_s) = rates.map(|rates| rates.decode_per_s) else { continue };
            if best.1.is_nan() || per_s > best.1 {
                best = (backend.row, per_s, best.1);
            } else {
                best.2 = per_s.max(best.2);
            }
        }
        Self { profile, now, hour: snapshot.hour(), copies: count, best }
    }
}

impl Matrix {
    /// A matrix of given numbers: for tests and for replaying a recorded decision. `ids` are the rows' identities, `values` holds one row after
    /// the other; a row that is short is filled up with NaN, what is too much is cut off.
    pub fn new(columns: &[Column], ids: Vec<f64>, mut values: Vec<f64>) -> Self {
        values.resize(columns.len() * ids.len(), f64::NAN);
        Self { columns: columns.into(), ids, values }
    }

    /// Asks the picture of the fleet for the readings of each candidate.
    pub fn fill(
        columns: Arc<[Column]>,
        candidates: &[Candidate],
        profile: &Profile,
        snapshot: &Snapshot,
        now: Moment,
    ) -> Self {
        Self::look(columns, candidates, Sight { profile, snapshot, now, work: &NoWork })
    }

    /// The same, asking also whoever knows of work.
    pub fn look(columns: Arc<[Column]>, candidates: &[Candidate], sight: Sight<'_>) -> Self {
        let Sight { profile, snapshot, now, work } = sight;
        let wants_best = columns.contains(&Column::BestOtherDecode);
        let shared = Shared::new(profile, snapshot, now, wants_best);
        // One bit for each place; there are fewer columns than bits.
        let known = columns.iter().enumerate().filter(|(_, column)| work.knows(**column));
        let known = known.fold(0_u64, |known, (at, _)| known | 1_u64.checked_shl(at as u32).unwrap_or(0));
        let is_known = |at: usize| known.checked_shr(at as u32).unwrap_or(0) & 1 == 1;
        let mut values = Vec::with_capacity(columns.len() * candidates.len());
        for (row, candidate) in candidates.iter().enumerate() {
            let of = Of {
                candidate,
                residency: candidate.holding.residency(now),
                rates: candidate.holding.rates(&candidate.backend, now),
            };
            let read = |(at, column): (usize, &Column)| {
                let known = if is_known(at) { work.read(row, *column) } else { None };
                known.unwrap_or_else(|| read(*column, &of, &shared))
            };
            values.extend(columns.iter().enumerate().map(read));
        }
        let ids = candidates.iter().map(|candidate| f64::from(candidate.backend.row.0)).collect();
        Self { columns, ids, values }
    }

    /// Number of candidates.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// Numbers in it.
    pub fn len(&self) -> usize {
        self.ids.len() + self.values.len()
    }

    /// Whether it has no number at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Each row's identity and its values.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let width = self.columns.len();
        self.ids.iter().enumerate().map(move |(row, slot)| {
            (*slot, self.values.get(row * width..(row + 1) * width).unwrap_or_default())
        })
    }
}

/// What several columns of one candidate are made of.
struct Of<'a> {
    candidate: &'a Candidate,
    residency: Option<(Residency, f64)>,
    rates: Option<Rates>,
}

/// One reading of one candidate, NaN when it is not known.
fn read(column: Column, of: &Of<'_>, shared: &Shared<'_>) -> f64 {
    const UNKNOWN: f64 = f64::NAN;
    let Of { candidate: Candidate { backend, holding }, residency, rates } = *of;
    // What somebody measured outranks what we can only conclude.
    if let Some(told) = backend.reading(column, shared.now) {
        return told;
    }
    let slots = &holding.live.slots;
    match column {
        Column::PromptTokens => shared.profile.prompt_tokens,
        Column::ExpectedTokens => shared.profile.expected_tokens,
        Column::ContextTokens => shared.profile.context_tokens,
        Column::ContextMinTokens => shared.profile.context_min_tokens,
        Column::Streaming => f64::from(u8::from(shared.profile.streaming)),
        Column::Attempts => f64::from(shared.profile.attempts),
        Column::ModelState => residency.map_or(UNKNOWN, |(state, _)| f64::from(state as u8)),
        // What a reload would take, where it is resident.
        Column::ModelLoad => match residency {
            None => UNKNOWN,
            // It was read when it was loaded.
            Some((Residency::Resident, _)) => holding.load_ms(true),
            Some((_, rest)) => rest,
        },
        // Servers of OpenAI's API do not tell how large a model is; then nothing can be concluded from that.
        Column::ModelBytes if holding.model.bytes == 0 => UNKNOWN,
        Column::ModelBytes => holding.model.bytes as f64,
        Column::ModelVram => holding.resident(shared.now).map_or(UNKNOWN, |loaded| loaded.vram_bytes as f64),
        Column::ResidentContext => {
            holding.resident(shared.now).and_then(|loaded| loaded.context_tokens).map_or(UNKNOWN, f64::from)
        }
        Column::CopyElsewhere => {
            let here = matches!(residency, Some((Residency::Resident | Residency::Loading, _)));
            f64::from(u8::from(shared.copies > usize::from(here)))
        }
        Column::LastUsed => {
            holding.live.succeeded().map_or(UNKNOWN, |at| shared.now.since(at).as_secs_f64() * 1e3)
        }
        Column::SlotsTotal => f64::from(slots.total()),
        Column::SlotsFree => f64::from(slots.free()),
        // Requests wait in the router, bound to no backend, so none waits at one.
        Column::QueueWaiting => 0.0,
        Column::FirstFree if slots.free() > 0 => 0.0,
        // What others run here slows ours as much.
        Column::SameCount => f64::from(slots.busy()) + f64::from(slots.foreign()),
        Column::OtherCount => {
            let all: u32 = backend.holdings.values().map(|other| other.live.slots.busy()).sum();
            f64::from(all.saturating_sub(slots.busy()))
        }
        Column::MemEvictable => evictable(backend, shared.now),
        Column::Decode => rates.map_or(UNKNOWN, |rates| rates.decode_per_s),
        Column::Prefill => rates.map_or(UNKNOWN, |rates| rates.prefill_per_s),
        Column::BestOtherDecode => match shared.best {
            (row, _, next) if row == backend.row => next,
            (_, best, _) => best,
        },
        Column::LoadRate => {
            let is_cached = !matches!(residency, Some((Residency::OnDisk, _)));
            holding.live.speed.load_bytes_per_s(is_cached)
        }
        Column::SameDrag => holding.live.speed.same_drag().unwrap_or(UNKNOWN),
        Column::OtherDrag => holding.live.speed.other_drag().unwrap_or(UNKNOWN),
        Column::WaitBias => holding.live.speed.wait_bias_ms().unwrap_or(UNKNOWN),
        Column::Availability => backend.node.live.hours.availability_ratio(),
        Column::Trend => backend.node.live.hours.trend_ratio(),
        Column::HourOfWeek => shared.hour.map_or(UNKNOWN, |hour| f64::from(hour.index())),
        Column::RateSamples => rates.map_or(0.0, |rates| f64::from(rates.samples)),
        Column::ErrorRate => backend.live.breaker.share(shared.now).unwrap_or(UNKNOWN),
        Column::ErrorRow => f64::from(backend.live.breaker.row()),
        Column::SeenAge => backend.seen.map_or(UNKNOWN, |at| shared.now.since(at).as_secs_f64() * 1e3),
        // Named in the contract, known only when somebody tells it: an agent, or learning.
        _ => UNKNOWN,
    }
}

/// Bytes on the GPU held by models that nobody uses now, as far as polls tell; NaN without a fresh poll.
fn evictable(backend: &Backend, now: Moment) -> f64 {
    let idle = backend.holdings.values().filter(|holding| holding.live.slots.busy() == 0);
    let known =
        backend.holdings.values().any(|holding| holding.polled.as_ref().is_some_and(|p| p.at(now).is_some()));
    let bytes: u64 = idle.filter_map(|holding| holding.resident(now)).map(|loaded| loaded.vram_bytes).sum();
    if known { bytes as f64 } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_grammar() {
        for column in Column::ALL {
            let name = column.name();
            assert_eq!(Column::from_name(name), Some(*column), "{name} stands twice");
            let (group, rest) = name.split_once('.').expect("a group and a reading");
            assert!(!group.is_empty() && !rest.is_empty(), "{name}");
            let unit = rest.rsplit('-').next();
            let units = ["ms", "bytes", "tokens", "token", "s", "ratio", "flag", "level", "count"];
            assert!(unit.is_some_and(|unit| units.contains(&unit)), "{name} has no unit");
        }
    }

    #[test]
    fn there_is_a_bit_for_every_column() {
        assert!(Column::ALL.len() <= 64, "`Matrix::look` counts on it");
    }

    #[test]
    fn a_matrix_is_always_whole() {
        let matrix = Matrix::new(&[Column::SlotsFree, Column::ModelState], vec![3.0, 4.0], vec![1.0]);
        let rows: Vec<_> = matrix.iter().collect();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|(_, values)| values.len() == 2));
        assert!(rows[1].1[0].is_nan());
    }
}
