//! Cards on Windows that are not NVIDIA's: what they are called and how much memory they have. How much of it is free
//! the system tells each program only for itself.

use super::{Card, Memory};

/// Bytes of memory that only a card of its own has; graphics in a processor have a part set aside for pictures.
const CARD: u64 = 2 << 30;

/// A card as the system tells of it; `None` where another file knows more, and for what only paints the desktop.
fn card(place: String, vendor: &str, name: &str, memory: u64) -> Option<Card> {
    let is_others = vendor.to_ascii_uppercase().contains("NVIDIA") || name.starts_with("NVIDIA");
    if is_others || name.starts_with("Microsoft") || name.is_empty() {
        return None;
    }
    let memory = if memory >= CARD { Memory::own(Some(memory), None) } else { Memory::Unknown };
    Some(Card { place, name: name.to_owned(), memory, ..Card::default() })
}

#[cfg(target_os = "windows")]
mod asked {
    //! Asks the system.

    use std::time::Duration;

    use sysinfo::Gpus;

    use crate::collect::cards::found;
    use crate::collect::source::{Found, Next, Source};

    /// Nothing of it changes but that a card comes or goes.
    const PAUSE: Duration = Duration::from_secs(60);
    /// Two looks and some.
    const KEEPS: Duration = Duration::from_secs(130);

    /// Asks Windows.
    #[derive(Debug)]
    pub(in crate::collect) struct Dxgi;

    impl Source for Dxgi {
        fn name(&self) -> &'static str {
            "cards"
        }

        fn keeps(&self) -> Option<Duration> {
            Some(KEEPS)
        }

        fn may_have_cards(&self) -> bool {
            true
        }

        fn look(&mut self) -> (Found, Next) {
            let told = Gpus::new_with_refreshed_list().ok();
            let cards = told.iter().flat_map(|cards| cards.iter()).filter_map(|card| {
                let (vendor, model) = (card.vendor().unwrap_or_default(), card.model().unwrap_or_default());
                super::card(card.pci().to_string(), vendor, model, card.total_memory().unwrap_or_default())
            });
            (found(&cards.collect::<Vec<_>>(), false), Next::After(PAUSE))
        }
    }
}

#[cfg(target_os = "windows")]
pub(in crate::collect) use asked::Dxgi;

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(vendor: &str, name: &str, bytes: u64) -> Option<Memory> {
        card("0000:03:00.0".to_owned(), vendor, name, bytes).map(|card| card.memory)
    }

    #[test]
    fn a_card_has_its_memory_and_a_processor_none_for_models() {
        let total = 17_095_983_104;
        assert_eq!(memory("AMD", "AMD Radeon RX 7800 XT", total), Some(Memory::Own { total, free: None }));
        assert_eq!(memory("Intel Corporation", "Intel(R) UHD Graphics", 134_217_728), Some(Memory::Unknown));
        assert_eq!(memory("AMD", "AMD Radeon", u64::MAX), Some(Memory::Unknown), "that cannot be");
    }

    #[test]
    fn what_paints_or_is_read_elsewhere_is_left_out() {
        assert_eq!(memory("NVIDIA Corporation", "NVIDIA GeForce RTX 4090", 1 << 34), None);
        assert_eq!(memory("Microsoft", "Microsoft Basic Render Driver", 0), None);
        assert_eq!(memory("", "", 1 << 34), None);
    }
}
