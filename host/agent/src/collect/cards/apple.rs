//! Apple's chips: one memory for everything, of which the graphics may have a share.

use super::{Card, Memory, share};

/// Bytes from which on the graphics may have three quarters of the memory; below it is two thirds.
const LARGE: u64 = 36 << 30;

/// The graphics of a chip. `wired_limit_mb` is what the operator allowed (`iogpu.wired_limit_mb`); 0 is the default.
/// Source: what Metal recommends (`recommendedMaxWorkingSetSize`) on machines of 8 to 192 GB; newer systems allow a
/// little more, so this is the cautious side.
fn card(chip: &str, memory: u64, wired_limit_mb: Option<u64>, percent: Option<f32>) -> Card {
    let allowed = wired_limit_mb.filter(|limit| *limit > 0).map(|limit| limit.saturating_mul(1 << 20));
    let usual = if memory >= LARGE { memory / 4 * 3 } else { memory / 3 * 2 };
    // Nobody tells how much the graphics hold; that is missing from what the machine has free.
    let memory = Memory::shared(Some(allowed.unwrap_or(usual).min(memory)), Some(0));
    let busy =
        percent.filter(|percent| (0.0..=100.0).contains(percent)).and_then(|percent| share(percent as u64));
    Card { name: format!("{chip} graphics"), memory, busy, ..Card::default() }
}

#[cfg(target_os = "macos")]
mod asked {
    //! Asks the system.

    use std::time::Duration;

    use sysinfo::Gpus;

    use crate::collect::cards::found;
    use crate::collect::mac::told;
    use crate::collect::source::{Found, Next, Source};

    /// How busy the graphics are changes within seconds.
    const PAUSE: Duration = Duration::from_secs(2);
    /// Three looks and some.
    const KEEPS: Duration = Duration::from_secs(8);

    /// Asks about the graphics of Apple's chips. Cards in older machines are used by no model server.
    #[derive(Debug)]
    pub(in crate::collect) struct Apple;

    impl Source for Apple {
        fn name(&self) -> &'static str {
            "cards"
        }

        fn keeps(&self) -> Option<Duration> {
            Some(KEEPS)
        }

        fn look(&mut self) -> (Found, Next) {
            if !cfg!(target_arch = "aarch64") {
                return (Found::default(), Next::Never);
            }
            let number = |name| told(name).and_then(|number| number.trim().parse().ok());
            let chip = told("machdep.cpu.brand_string").unwrap_or_else(|| "Apple".to_owned());
            let (memory, limit) = (number("hw.memsize"), number("iogpu.wired_limit_mb"));
            let percent = Gpus::new_with_refreshed_list().ok().and_then(|cards| cards.first()?.usage());
            let card = super::card(chip.trim(), memory.unwrap_or_default(), limit, percent);
            (found(&[card], false), Next::After(PAUSE))
        }
    }
}

#[cfg(target_os = "macos")]
pub(in crate::collect) use asked::Apple;

#[cfg(test)]
mod tests {
    use super::*;

    fn most(gib: u64, limit: Option<u64>) -> f64 {
        match card("Apple M2 Max", gib << 30, limit, None).memory {
            Memory::Shared { most, .. } => most as f64 / f64::from(1 << 30),
            memory => panic!("{memory:?}"),
        }
    }

    #[test]
    fn the_share_is_what_metal_recommends_unless_the_operator_says_otherwise() {
        // As `recommendedMaxWorkingSetSize` was told by machines: 10,922.67 and 27,648 MB, 48 and 144 GB.
        assert_eq!((most(16, None) * 1024.0).round(), 10_923.0);
        assert_eq!((most(36, Some(0)) * 1024.0).round(), 27_648.0);
        assert_eq!((most(64, None), most(192, None)), (48.0, 144.0));
        assert_eq!(most(64, Some(57_344)), 56.0);
        assert_eq!(most(64, Some(u64::MAX)), 64.0, "no more than there is");
    }

    #[test]
    fn a_machine_without_a_size_tells_nothing() {
        assert_eq!(card("Apple M1", 0, None, None).memory, Memory::Unknown);
    }

    #[test]
    fn how_busy_it_is_is_a_share_or_unknown() {
        let busy = |percent| card("Apple M1", 1 << 34, None, percent).busy;
        assert_eq!(
            [Some(37.0), Some(100.5), Some(f32::NAN), Some(-1.0), None].map(busy)[..2],
            [Some(0.37), None]
        );
        assert_eq!([Some(f32::NAN), Some(-1.0), None].map(busy), [None; 3]);
    }
}
