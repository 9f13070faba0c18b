//! How much one heartbeat may say. An agent keeps to it by itself; a router refuses what is more.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bytes of a body. A steady one has under 2,000; the longest lists that are taken fill it nearly.
pub const BODY: usize = 256 << 10;
/// Model servers of one machine.
pub const SERVERS: usize = 16;
/// Models on disk, in all lists of one beat.
pub const MODELS: usize = 800;
/// Bytes of one list, as JSON, that an agent makes; so that one always fits a body with whatever else is said.
pub const LIST: usize = 224 << 10;
/// Models in memory of one server.
pub const RESIDENT: usize = 64;
/// Numbers about the machine. There are fewer columns than that.
pub const READINGS: usize = 64;
/// Bytes of a text about a model or a version.
pub const TEXT: usize = 200;
/// Bytes of what a server's trouble is told in.
pub const TROUBLE: usize = 400;
/// Bytes of a bearer: less can be guessed, more is no token.
pub const BEARER: (usize, usize) = (16, 128);
/// Time between two beats. More often says nothing new; more seldom a machine would be lost before it is missed.
pub const INTERVAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// Age of a reading. An older one says nothing of now, and is left out.
pub const READING_AGE: Duration = Duration::from_secs(60);
/// Age of what a server said of its models. One that was silent for longer has told nothing.
pub const SERVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes that a model or a memory can have at all: 1 PiB.
pub const BYTES: u64 = 1 << 50;
/// Bytes per second of a memory, 100 TB/s at most: ten times the fastest card. None reads nothing.
pub const BYTES_PER_S: RangeInclusive<f64> = 1.0..=1e14;
/// Tokens of a context that some model may have one day.
pub const TOKENS: u32 = 1 << 27;
/// Requests at once, models at once, routers: more is a mistake.
pub const COUNT: u32 = 4_096;
/// Problems that are told one by one; of more the rest are counted.
pub const PROBLEMS: usize = 12;
