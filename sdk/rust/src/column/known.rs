//! Every reading this version of the SDK knows: name, unit, range and meaning, one constant each.
//! Must not know: how a reading is laid out in a call, or what a signal makes of it.

use super::Column;

// A value outside its range is taken for a fault of whoever measured it: `Row::get` answers `None`.
const TOKENS: (f64, f64) = (0.0, 1e9);
const COUNT: (f64, f64) = (0.0, 1e9);
const FLAG: (f64, f64) = (0.0, 1.0);
const LEVEL: (f64, f64) = (0.0, 9.0);
const STATE: (f64, f64) = (0.0, 4.0);
const HOUR: (f64, f64) = (0.0, 167.0);
const MS: (f64, f64) = (0.0, 604_800_000.0);
const SIGNED_MS: (f64, f64) = (-604_800_000.0, 604_800_000.0);
const AGE: (f64, f64) = (0.0, 1e12);
const BYTES: (f64, f64) = (0.0, 1e18);
const RATIO: (f64, f64) = (0.0, 1e9);
const UNIT: (f64, f64) = (0.0, 1.0);
const SIGNED_UNIT: (f64, f64) = (-1.0, 1.0);
const RATE: (f64, f64) = (0.0, 1e15);

// The request, the same number in each row.
/// `req.prompt-tokens` (tokens, 0 to 1e9). Estimated length of the prompt.
pub const REQ_PROMPT_TOKENS: Column = Column::known(0, "req.prompt-tokens", TOKENS);
/// `req.expected-tokens` (tokens, 0 to 1e9). Expected length of the answer, learned per app and model; 256 before anything is learned.
pub const REQ_EXPECTED_TOKENS: Column = Column::known(1, "req.expected-tokens", TOKENS);
/// `req.context-tokens` (tokens, 0 to 1e9). Upper estimate of the context this request needs, prompt and answer together.
pub const REQ_CONTEXT_TOKENS: Column = Column::known(2, "req.context-tokens", TOKENS);
/// `req.context-min-tokens` (tokens, 0 to 1e9). Lower bound of the context this request needs. Only this one may justify a veto.
pub const REQ_CONTEXT_MIN_TOKENS: Column = Column::known(3, "req.context-min-tokens", TOKENS);
/// `req.streaming-flag` (flag, 0 or 1). Whether the client reads the answer as a stream.
pub const REQ_STREAMING_FLAG: Column = Column::known(4, "req.streaming-flag", FLAG);
/// `req.attempt-count` (count, 0 to 1e9). Attempts already made for this request; 0 on the first.
pub const REQ_ATTEMPT_COUNT: Column = Column::known(5, "req.attempt-count", COUNT);
/// `req.modality-level` (level, 0 to 9). What is asked for: 0 text, 1 embedding, 2 vision, 3 image, 4 speech.
pub const REQ_MODALITY_LEVEL: Column = Column::known(6, "req.modality-level", LEVEL);
/// `time.hour-of-week-count` (count, 0 to 167). Hour of the week at the router, 0 is Monday 00:00 to 00:59 local time.
pub const TIME_HOUR_OF_WEEK_COUNT: Column = Column::known(7, "time.hour-of-week-count", HOUR);

// The requested model on this backend.
/// `model.state-level` (level, 0 to 4). Where the model is: 0 absent, 1 on disk, 2 in the page cache (warm), 3 loading, 4 resident.
pub const MODEL_STATE_LEVEL: Column = Column::known(8, "model.state-level", STATE);
/// `model.load-ms` (ms, 0 to 7 days). Predicted time to load the model here; while it is loading, the rest of that load.
pub const MODEL_LOAD_MS: Column = Column::known(9, "model.load-ms", MS);
/// `model.bytes` (bytes, 0 to 1e18). Size of the model's weights.
pub const MODEL_BYTES: Column = Column::known(10, "model.bytes", BYTES);
/// `model.vram-bytes` (bytes, 0 to 1e18). The part of the resident model that lies in accelerator memory.
pub const MODEL_VRAM_BYTES: Column = Column::known(11, "model.vram-bytes", BYTES);
/// `model.kv-bytes-per-token` (bytes per token, 0 to 1e18). Memory of the key-value cache for one token of context.
pub const MODEL_KV_BYTES_PER_TOKEN: Column = Column::known(12, "model.kv-bytes-per-token", BYTES);
/// `model.resident-context-tokens` (tokens, 0 to 1e9). Context length with which the model is resident.
pub const MODEL_RESIDENT_CONTEXT_TOKENS: Column = Column::known(13, "model.resident-context-tokens", TOKENS);
/// `model.max-context-tokens` (tokens, 0 to 1e9). Largest context the model supports.
pub const MODEL_MAX_CONTEXT_TOKENS: Column = Column::known(14, "model.max-context-tokens", TOKENS);
/// `model.last-used-ms` (ms, 0 to 1e12). Time since the model was last used here.
pub const MODEL_LAST_USED_MS: Column = Column::known(15, "model.last-used-ms", AGE);
/// `model.copy-elsewhere-flag` (flag, 0 or 1). Whether another reachable backend has the model resident or loading.
pub const MODEL_COPY_ELSEWHERE_FLAG: Column = Column::known(16, "model.copy-elsewhere-flag", FLAG);
/// `model.worth-ms` (ms, 0 to 7 days). What the model's residency here saved, or would have saved, in the last two minutes.
pub const MODEL_WORTH_MS: Column = Column::known(17, "model.worth-ms", MS);
/// `load.drain-ms` (ms, 0 to 7 days). What a load has to wait for here: the drain of busy victims and the rest of another load.
pub const LOAD_DRAIN_MS: Column = Column::known(18, "load.drain-ms", MS);

// Memory: of the accelerator where it is discrete, else of the machine.
/// `mem.total-bytes` (bytes, 0 to 1e18). Memory that models can use.
pub const MEM_TOTAL_BYTES: Column = Column::known(19, "mem.total-bytes", BYTES);
/// `mem.free-bytes` (bytes, 0 to 1e18). The part of it that is free.
pub const MEM_FREE_BYTES: Column = Column::known(20, "mem.free-bytes", BYTES);
/// `mem.evictable-bytes` (bytes, 0 to 1e18). The part of it that idle models hold and would give back.
pub const MEM_EVICTABLE_BYTES: Column = Column::known(21, "mem.evictable-bytes", BYTES);
/// `mem.evict-regret-ms` (ms, 0 to 7 days). Loads that evicting the cheapest victims for this model is predicted to cause later.
pub const MEM_EVICT_REGRET_MS: Column = Column::known(22, "mem.evict-regret-ms", MS);
/// `mem.system-total-bytes` (bytes, 0 to 1e18). Accelerator and main memory together: what a model split over both can use.
pub const MEM_SYSTEM_TOTAL_BYTES: Column = Column::known(23, "mem.system-total-bytes", BYTES);
/// `mem.pressure-level` (level, 0 to 9). Memory pressure: 0 none to 3 critical.
pub const MEM_PRESSURE_LEVEL: Column = Column::known(24, "mem.pressure-level", LEVEL);

// Work placed on this backend.
/// `slots.total-count` (count, 0 to 1e9). Requests of this model that this backend serves at the same time.
pub const SLOTS_TOTAL_COUNT: Column = Column::known(25, "slots.total-count", COUNT);
/// `slots.free-count` (count, 0 to 1e9). Slots free now.
pub const SLOTS_FREE_COUNT: Column = Column::known(26, "slots.free-count", COUNT);
/// `queue.waiting-ms` (ms, 0 to 7 days). Predicted service time of requests placed here that have **not** started; running work is never in it.
pub const QUEUE_WAITING_MS: Column = Column::known(27, "queue.waiting-ms", MS);
/// `wait.first-free-ms` (ms, 0 to 7 days). Predicted time until a slot frees, from running work only; 0 with a free slot.
pub const WAIT_FIRST_FREE_MS: Column = Column::known(28, "wait.first-free-ms", MS);
/// `wait.bias-ms` (ms, −7 to 7 days). Observed minus predicted wait, smoothed.
pub const WAIT_BIAS_MS: Column = Column::known(29, "wait.bias-ms", SIGNED_MS);
/// `work.same-count` (count, 0 to 1e9). Requests of this model running here now, the one being placed not among them.
pub const WORK_SAME_COUNT: Column = Column::known(30, "work.same-count", COUNT);
/// `work.other-count` (count, 0 to 1e9). Requests of other models running here now.
pub const WORK_OTHER_COUNT: Column = Column::known(31, "work.other-count", COUNT);
/// `work.rest-ms` (ms, 0 to 7 days). Predicted rest of the work running here now, summed over its streams.
pub const WORK_REST_MS: Column = Column::known(32, "work.rest-ms", MS);
/// `work.same-util-ratio` (ratio, 0 to 1e9). Streams of this model here, as a mean over the last 60 s.
pub const WORK_SAME_UTIL_RATIO: Column = Column::known(33, "work.same-util-ratio", RATIO);
/// `work.other-util-ratio` (ratio, 0 to 1e9). Streams of other models here, as a mean over the last 60 s.
pub const WORK_OTHER_UTIL_RATIO: Column = Column::known(34, "work.other-util-ratio", RATIO);

// Speed, learned per backend and model.
/// `rate.prefill-per-s` (tokens per s, 0 to 1e15). Prompt tokens per second, alone on the machine.
pub const RATE_PREFILL_PER_S: Column = Column::known(35, "rate.prefill-per-s", RATE);
/// `rate.decode-per-s` (tokens per s, 0 to 1e15). Answer tokens per second of one stream, alone on the machine.
pub const RATE_DECODE_PER_S: Column = Column::known(36, "rate.decode-per-s", RATE);
/// `rate.best-other-decode-per-s` (tokens per s, 0 to 1e15). The best decode rate of this model among the other candidates.
pub const RATE_BEST_OTHER_DECODE_PER_S: Column = Column::known(37, "rate.best-other-decode-per-s", RATE);
/// `rate.samples-count` (count, 0 to 1e9). Answers from which the rates were learned; 0 means they are priors.
pub const RATE_SAMPLES_COUNT: Column = Column::known(38, "rate.samples-count", COUNT);
/// `rate.load-bytes-per-s` (bytes per s, 0 to 1e15). Bytes per second at which models load here.
pub const RATE_LOAD_BYTES_PER_S: Column = Column::known(39, "rate.load-bytes-per-s", RATE);
/// `rate.same-drag-ratio` (share, 0 to 1e9). Slow-down of a stream by each further stream of this model here, learned; unknown until then.
pub const RATE_SAME_DRAG_RATIO: Column = Column::known(54, "rate.same-drag-ratio", RATIO);
/// `rate.other-drag-ratio` (share, 0 to 1e9). Slow-down of a stream by each stream of another model here, learned; unknown until then.
pub const RATE_OTHER_DRAG_RATIO: Column = Column::known(55, "rate.other-drag-ratio", RATIO);

// The machine.
/// `node.availability-ratio` (ratio, 0 to 1). How much of this machine is usually ours at this hour of the week.
pub const NODE_AVAILABILITY_RATIO: Column = Column::known(40, "node.availability-ratio", UNIT);
/// `node.trend-ratio` (ratio, −1 to 1). Where that is going: -1 getting busier, 1 getting freer.
pub const NODE_TREND_RATIO: Column = Column::known(41, "node.trend-ratio", SIGNED_UNIT);
/// `node.thermal-level` (level, 0 to 9). Heat: 0 nominal, 1 fair, 2 serious, 3 critical.
pub const NODE_THERMAL_LEVEL: Column = Column::known(42, "node.thermal-level", LEVEL);
/// `node.throttled-flag` (flag, 0 or 1). Whether the machine runs slower than it could.
pub const NODE_THROTTLED_FLAG: Column = Column::known(43, "node.throttled-flag", FLAG);
/// `node.battery-flag` (flag, 0 or 1). Whether the machine runs on battery.
pub const NODE_BATTERY_FLAG: Column = Column::known(44, "node.battery-flag", FLAG);
/// `node.meeting-flag` (flag, 0 or 1). Whether its owner is in a call.
pub const NODE_MEETING_FLAG: Column = Column::known(45, "node.meeting-flag", FLAG);
/// `node.cpu-busy-ratio` (ratio, 0 to 1). Share of the processors in use.
pub const NODE_CPU_BUSY_RATIO: Column = Column::known(46, "node.cpu-busy-ratio", UNIT);
/// `node.bandwidth-bytes-per-s` (bytes per s, 0 to 1e15). Memory bandwidth.
pub const NODE_BANDWIDTH_BYTES_PER_S: Column = Column::known(47, "node.bandwidth-bytes-per-s", RATE);

// Trust in this backend.
/// `err.rate-5m-ratio` (ratio, 0 to 1). Share of attempts that failed in the last five minutes.
pub const ERR_RATE_5M_RATIO: Column = Column::known(48, "err.rate-5m-ratio", UNIT);
/// `err.consecutive-count` (count, 0 to 1e9). Failures in a row, up to now.
pub const ERR_CONSECUTIVE_COUNT: Column = Column::known(49, "err.consecutive-count", COUNT);
/// `net.rtt-ms` (ms, 0 to 7 days). Network round trip to the backend.
pub const NET_RTT_MS: Column = Column::known(50, "net.rtt-ms", MS);
/// `seen.age-ms` (ms, 0 to 1e12). Time since the backend last answered.
pub const SEEN_AGE_MS: Column = Column::known(51, "seen.age-ms", AGE);

// Affinity.
/// `prefix.cached-tokens` (tokens, 0 to 1e9). Predicted number of prompt tokens that this backend has in its prompt cache.
pub const PREFIX_CACHED_TOKENS: Column = Column::known(52, "prefix.cached-tokens", TOKENS);
/// `session.here-flag` (flag, 0 or 1). Whether this session's last request was served here.
pub const SESSION_HERE_FLAG: Column = Column::known(53, "session.here-flag", FLAG);

/// How many there are; the width of a layout table.
pub(super) const KNOWN: usize = 56;

/// All of them, in the order of their ids.
pub(super) const ALL: [Column; KNOWN] = [
    REQ_PROMPT_TOKENS,
    REQ_EXPECTED_TOKENS,
    REQ_CONTEXT_TOKENS,
    REQ_CONTEXT_MIN_TOKENS,
    REQ_STREAMING_FLAG,
    REQ_ATTEMPT_COUNT,
    REQ_MODALITY_LEVEL,
    TIME_HOUR_OF_WEEK_COUNT,
    MODEL_STATE_LEVEL,
    MODEL_LOAD_MS,
    MODEL_BYTES,
    MODEL_VRAM_BYTES,
    MODEL_KV_BYTES_PER_TOKEN,
    MODEL_RESIDENT_CONTEXT_TOKENS,
    MODEL_MAX_CONTEXT_TOKENS,
    MODEL_LAST_USED_MS,
    MODEL_COPY_ELSEWHERE_FLAG,
    MODEL_WORTH_MS,
    LOAD_DRAIN_MS,
    MEM_TOTAL_BYTES,
    MEM_FREE_BYTES,
    MEM_EVICTABLE_BYTES,
    MEM_EVICT_REGRET_MS,
    MEM_SYSTEM_TOTAL_BYTES,
    MEM_PRESSURE_LEVEL,
    SLOTS_TOTAL_COUNT,
    SLOTS_FREE_COUNT,
    QUEUE_WAITING_MS,
    WAIT_FIRST_FREE_MS,
    WAIT_BIAS_MS,
    WORK_SAME_COUNT,
    WORK_OTHER_COUNT,
    WORK_REST_MS,
    WORK_SAME_UTIL_RATIO,
    WORK_OTHER_UTIL_RATIO,
    RATE_PREFILL_PER_S,
    RATE_DECODE_PER_S,
    RATE_BEST_OTHER_DECODE_PER_S,
    RATE_SAMPLES_COUNT,
    RATE_LOAD_BYTES_PER_S,
    NODE_AVAILABILITY_RATIO,
    NODE_TREND_RATIO,
    NODE_THERMAL_LEVEL,
    NODE_THROTTLED_FLAG,
    NODE_BATTERY_FLAG,
    NODE_MEETING_FLAG,
    NODE_CPU_BUSY_RATIO,
    NODE_BANDWIDTH_BYTES_PER_S,
    ERR_RATE_5M_RATIO,
    ERR_CONSECUTIVE_COUNT,
    NET_RTT_MS,
    SEEN_AGE_MS,
    PREFIX_CACHED_TOKENS,
    SESSION_HERE_FLAG,
    RATE_SAME_DRAG_RATIO,
    RATE_OTHER_DRAG_RATIO,
];
