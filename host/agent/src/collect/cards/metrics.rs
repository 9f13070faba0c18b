//! AMD's table of measurements, `gpu_metrics`: whether a chip shares the machine's memory, and what slows it down.
//!
//! Source: `struct gpu_metrics_v*` and `SMU_THROTTLER_*_BIT` of Linux (kgd_pp_interface.h, amdgpu_smu.h). Tables of
//! revision 1 are those of cards, later ones of processors with graphics in them.

use super::Slowed;

/// Where the independent throttle status stands, by format and least content revision.
const CARD: (u8, usize) = (3, 112);
const PROCESSOR: (u8, usize) = (2, 120);
/// Content revisions of cards that have no such field any more: those of data centres count instead.
const COUNTING: u8 = 4;
/// Its bits: limits of power and current, and heat of whatever part.
const POWER: u64 = 0xff | 0xff << 16;
const HEAT: u64 = 0xffff << 32;
/// Of these: that the voltage regulators or the whole chip pull the brake.
const OVERHEATED: u64 = 0b1111 << 44;

/// What is read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Metrics {
    /// The graphics are part of a processor.
    pub(super) in_processor: bool,
    pub(super) slowed: Option<Slowed>,
}

/// Reads a table; `None` if it is none.
pub(super) fn read(table: &[u8]) -> Option<Metrics> {
    let size = u16::from_le_bytes(*table.first_chunk()?);
    let (format, content) = (*table.get(2)?, *table.get(3)?);
    if usize::from(size) > table.len() || format == 0 {
        return None;
    }
    let at = match format {
        1 if (CARD.0..COUNTING).contains(&content) => Some(CARD.1),
        2 if content >= PROCESSOR.0 => Some(PROCESSOR.1),
        _ => None,
    };
    let status = at.and_then(|at| Some(u64::from_le_bytes(*table.get(at..)?.first_chunk()?)));
    // The driver fills what the chip does not tell with ones.
    let slowed = status.filter(|status| *status != u64::MAX).map(|status| Slowed {
        heat: status & HEAT != 0,
        overheated: status & OVERHEATED != 0,
        cap: status & POWER != 0,
        ..Slowed::default()
    });
    Some(Metrics { in_processor: format > 1, slowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(size: usize, [format, content]: [u8; 2], at: usize, status: u64) -> Vec<u8> {
        let mut table = vec![0; size];
        table[..2].copy_from_slice(&(size as u16).to_le_bytes());
        (table[2], table[3]) = (format, content);
        table[at..at + 8].copy_from_slice(&status.to_le_bytes());
        table
    }

    #[test]
    fn each_form_has_its_place() {
        let hotspot = 1 << 36;
        let card = read(&table(120, [1, 3], 112, hotspot)).unwrap();
        assert!(!card.in_processor);
        assert_eq!(card.slowed, Some(Slowed { heat: true, ..Slowed::default() }));
        let ppt = read(&table(120, [1, 3], 112, 1)).unwrap();
        assert_eq!(ppt.slowed, Some(Slowed { cap: true, ..Slowed::default() }));
        let prochot = read(&table(128, [2, 2], 120, 1 << 46)).unwrap();
        assert!(prochot.in_processor && prochot.slowed.unwrap().overheated);
        assert_eq!(read(&table(120, [1, 3], 112, 0)).unwrap().slowed, Some(Slowed::default()));
    }

    #[test]
    fn what_is_not_told_is_unknown() {
        assert_eq!(read(&table(120, [1, 3], 112, u64::MAX)).unwrap().slowed, None);
        for form in [[1, 1], [1, 4], [1, 8], [2, 1], [3, 0]] {
            let metrics = read(&table(200, form, 112, 1 << 36)).unwrap();
            assert_eq!((metrics.slowed, metrics.in_processor), (None, form[0] > 1), "{form:?}");
        }
        let cut = &table(120, [1, 3], 112, 1)[..100];
        assert_eq!((read(cut), read(&[]), read(&[4, 0, 0, 0])), (None, None, None));
    }
}
