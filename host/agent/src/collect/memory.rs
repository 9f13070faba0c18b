//! How much memory there is and how much of it is to be had, from `/proc/meminfo`.
//!
//! Source: proc_meminfo(5).

/// In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    /// Free, or held by what the kernel can give up.
    pub(super) available: u64,
}

/// Reads both.
pub(super) fn memory(meminfo: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    Some(Memory { total: bytes("MemTotal")?, available: bytes("MemAvailable")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_read_wherever_they_stand() {
        let told = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n";
        assert_eq!(memory(told), Some(Memory { total: 16_384_000, available: 8_192_000 }));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
        assert_eq!(memory("MemTotal: much\nMemAvailable: 1 kB\n"), None);
    }
}
