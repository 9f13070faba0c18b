//! The plugins that are part of the binary. They are components like anybody's, built from `plugins/` by
//! `cargo xtask plugins`; a test there fails when one is older than its sources.

use crate::package::Package;

macro_rules! prebuilt {
    ($($name:literal),* $(,)?) => {
        &[$(Package::built_in($name, include_bytes!(concat!("../../../plugins/prebuilt/", $name, ".wasm"))),)*]
    };
}

/// In the order in which they are shown; fallback rules in the order in which they are asked.
pub(crate) const PACKAGES: &[Package] = prebuilt![
    "model-residency",
    "memory-fit",
    "queue-depth",
    "wait-time",
    "role-affinity",
    "availability-trend",
    "context-fit",
    "next-best-node",
    "wait-for-load",
    "nodes",
];
