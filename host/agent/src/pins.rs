//! Routers that this machine reported to: their keys, which were pinned at first contact, and where they were last.
//! A router is its key; an address is only where to look.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use herdwick_wire::seal::PublicKey;
use serde::{Deserialize, Serialize};

use crate::state;

/// The file in the state folder.
const FILE: &str = "routers.json";
/// Addresses that are remembered of one router; the oldest is forgotten.
const ADDRESSES: usize = 4;
/// Routers that are remembered; the one that was met longest ago is forgotten. One household has one or two.
const ROUTERS: usize = 32;

/// One router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) key: PublicKey,
    /// `HOST:PORT`, the newest first.
    pub(crate) addresses: Vec<String>,
}

/// All of them, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Pins {
    path: PathBuf,
    pins: Mutex<Vec<Pin>>,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    routers: Vec<WrittenPin>,
}

#[derive(Serialize, Deserialize)]
struct WrittenPin {
    key: String,
    addresses: Vec<String>,
}

impl Pins {
    /// Reads the file. One that is not there, or that cannot be understood, pins nobody; the latter is told.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let pins = match state::read(&path)? {
            None => Vec::new(),
            Some(content) => read(&content).unwrap_or_else(|why| {
                tracing::warn!("{} is left aside, routers are met anew: {why}", path.display());
                Vec::new()
            }),
        };
        Ok(Self { path, pins: Mutex::new(pins) })
    }

    /// Where they are kept, for people.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every router, the one met last first.
    pub(crate) fn all(&self) -> Vec<Pin> {
        self.lock().clone()
    }

    /// The router that was last met at this address.
    pub(crate) fn at(&self, address: &str) -> Option<PublicKey> {
        self.lock().iter().find(|pin| pin.addresses.iter().any(|known| known == address)).map(|pin| pin.key)
    }

    /// This router was met here. What cannot be written is told and holds until the end of the process.
    pub(crate) fn met(&self, key: PublicKey, address: &str) {
        let mut pins = self.lock();
        let before = pins.clone();
        let mut pin = match pins.iter().position(|pin| pin.key == key) {
            Some(index) => pins.remove(index),
            None => Pin { key, addresses: Vec::new() },
        };
        pin.addresses.retain(|known| known != address);
        pin.addresses.insert(0, address.to_owned());
        pin.addresses.truncate(ADDRESSES);
        pins.insert(0, pin);
        pins.truncate(ROUTERS);
        if *pins == before {
            return;
        }
        if let Err(error) = write(&pins).and_then(|content| state::write(&self.path, &content)) {
            tracing::warn!("{} cannot be written: {error}", self.path.display());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(content: &[u8]) -> Result<Vec<Pin>, String> {
    let written: Written = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let pin = |pin: WrittenPin| {
        let key = PublicKey::parse(&pin.key).ok_or_else(|| format!("{:?} is no key", pin.key))?;
        Ok(Pin { key, addresses: pin.addresses })
    };
    written.routers.into_iter().map(pin).collect()
}

fn write(pins: &[Pin]) -> io::Result<Vec<u8>> {
    let pin = |pin: &Pin| WrittenPin { key: pin.key.to_string(), addresses: pin.addresses.clone() };
    let written = Written { version: 1, routers: pins.iter().map(pin).collect() };
    serde_json::to_vec_pretty(&written).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use herdwick_wire::seal::Identity;

    use super::*;

    #[test]
    fn routers_are_known_again_wherever_they_were_last() {
        let folder = crate::tests::folder("pins");
        let [one, other] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).public());
        let pins = Pins::load(&folder).expect("no file is no error");
        pins.met(one, "10.0.0.1:11435");
        pins.met(other, "10.0.0.2:11435");
        pins.met(one, "10.0.0.3:11435");
        let again = Pins::load(&folder).expect("a file");
        assert_eq!(again.all(), pins.all());
        assert_eq!(again.all()[0].addresses, ["10.0.0.3:11435", "10.0.0.1:11435"]);
        assert_eq!((again.at("10.0.0.2:11435"), again.at("10.0.0.9:11435")), (Some(other), None));
    }

    #[test]
    fn a_file_that_cannot_be_understood_pins_nobody() {
        let folder = crate::tests::folder("pins-broken");
        std::fs::write(folder.join(FILE), b"{").expect("a file");
        assert_eq!(Pins::load(&folder).expect("it can be read").all(), []);
    }
}
