//! What cards are called that do not say so themselves: the lists that distributions keep of the numbers of makers.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Where AMD's own list is. It tells cards apart that the general one takes for the same.
const AMD: &str = "/usr/share/libdrm/amdgpu.ids";
/// Where the general list is.
const PCI: [&str; 2] = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"];
/// Bytes of a list that are read; the general one has 1.5 MB.
const MOST: u64 = 8 << 20;

/// The numbers of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) revision: u8,
}

/// What a card is called. Reads lists, so it is asked once per card.
pub(super) fn name(numbers: Numbers, maker: &str) -> String {
    let lines = |path: &str| {
        let file = File::open(Path::new(path)).ok()?;
        Some(BufReader::new(file.take(MOST)).lines().map_while(Result::ok))
    };
    let own = (maker == "AMD").then(|| lines(AMD)).flatten().and_then(|lines| amd(lines, numbers));
    let general = || PCI.iter().find_map(|path| pci(lines(path)?, numbers));
    match own.or_else(general) {
        Some(name) if name.starts_with(maker) => name,
        Some(name) => format!("{maker} {name}"),
        None => format!("{maker} graphics {:04x}", numbers.device),
    }
}

/// A line is `744C,\tC8,\tAMD Radeon RX 7900 XTX`.
fn amd(lines: impl Iterator<Item = String>, numbers: Numbers) -> Option<String> {
    lines.filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = line.splitn(3, ',').map(str::trim);
        let device = u16::from_str_radix(fields.next()?, 16).ok()?;
        let revision = u8::from_str_radix(fields.next()?, 16).ok()?;
        let name = fields.next()?;
        (device == numbers.device && revision == numbers.revision && !name.is_empty())
            .then(|| name.to_owned())
    })
}

/// A maker is `8086  Intel Corporation`, and under it a device `\te20b  Battlemage G21 [Arc B580]`, of which the name
/// that people know stands in brackets.
fn pci(lines: impl Iterator<Item = String>, numbers: Numbers) -> Option<String> {
    let vendor = format!("{:04x}  ", numbers.vendor);
    let device = format!("\t{:04x}  ", numbers.device);
    let found = lines
        .skip_while(|line| !line.starts_with(&vendor))
        .skip(1)
        .take_while(|line| line.starts_with(['\t', '#']))
        .find_map(|line| Some(line.strip_prefix(&device)?.trim().to_owned()))?;
    let known = found.rsplit_once('[').and_then(|(_, name)| name.strip_suffix(']'));
    Some(known.map_or(found.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers { vendor: 0x8086, device: 0xe20b, revision: 0xc8 };

    fn lines(text: &str) -> impl Iterator<Item = String> {
        text.lines().map(str::to_owned)
    }

    #[test]
    fn both_lists_are_read_as_they_are_written() {
        let amd_list = "# List of AMDGPU IDs\n1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n744C,\tCC,\tAMD Radeon RX 7900 XT\n";
        let numbers = |revision| Numbers { vendor: 0x1002, device: 0x744c, revision };
        assert_eq!(amd(lines(amd_list), numbers(0xcc)).as_deref(), Some("AMD Radeon RX 7900 XT"));
        assert_eq!(amd(lines(amd_list), numbers(0xff)), None);
        let pci_list = "1002  AMD\n\te20b  Wrong\n8086  Intel Corporation\n\t0007  82379AB\n\
            \te20b  Battlemage G21 [Arc B580]\n\t\t1849 6023  Board\n8087  Intel Corp.\n";
        assert_eq!(pci(lines(pci_list), NUMBERS).as_deref(), Some("Arc B580"));
        assert_eq!(pci(lines(pci_list), Numbers { device: 0x0007, ..NUMBERS }).as_deref(), Some("82379AB"));
        assert_eq!(pci(lines(pci_list), Numbers { device: 0x1849, ..NUMBERS }), None, "a board is no device");
        assert_eq!(pci(lines("8086  Intel"), NUMBERS), None);
    }

    #[test]
    fn a_card_that_no_list_has_is_called_by_its_number() {
        let numbers = Numbers { vendor: 0x1002, device: 0xfffe, revision: 0xfe };
        assert_eq!(name(numbers, "AMD"), "AMD graphics fffe");
    }
}
