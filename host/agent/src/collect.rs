//! Numbers about the machine, as the columns that plugins see: how busy its processor is, how much memory is free.
//! Cheap enough for every beat: two small files of Linux. Where those are not, nothing is told.

mod cpu;
mod memory;

use std::path::Path;

use herdwick_fleet::Column;
use herdwick_wire::beat::ReadingBeat;

use cpu::Times;

/// What a machine is asked between two beats.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    last: Option<Times>,
}

impl Collector {
    /// Looks at the machine. The first look has nothing to compare with and tells nothing of the processor.
    pub(crate) fn look(&mut self) -> Vec<ReadingBeat> {
        let mut readings = Vec::new();
        let mut add = |column: Column, value: f64| {
            readings.push(ReadingBeat { name: column.name().to_owned(), value, age_ms: 0 });
        };
        if let Some(now) = std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(cpu::times) {
            let busy = self.last.and_then(|last| now.busy_since(last));
            self.last = Some(now);
            busy.into_iter().for_each(|busy| add(Column::CpuBusy, busy));
        }
        // Where a card has memory of its own, models go there, and what the system has says nothing of them.
        if !has_card()
            && let Some(memory) =
                std::fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(memory::memory)
        {
            add(Column::MemTotal, memory.total as f64);
            add(Column::MemFree, memory.available as f64);
        }
        readings
    }
}

/// Whether a graphics card with memory of its own is here, as its driver shows.
fn has_card() -> bool {
    let is_amd = |card: std::fs::DirEntry| card.path().join("device/mem_info_vram_total").exists();
    Path::new("/proc/driver/nvidia/version").exists()
        || std::fs::read_dir("/sys/class/drm").is_ok_and(|cards| cards.flatten().any(is_amd))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_numbers_that_can_be() {
        let mut collector = Collector::default();
        collector.look();
        let readings = collector.look();
        assert!(readings.iter().all(|reading| reading.value.is_finite() && reading.value >= 0.0));
        assert!(readings.iter().all(|reading| Column::from_name(&reading.name).is_some()));
    }
}
