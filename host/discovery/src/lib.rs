//! How routers and agents of Herdwick find each other on a network: multicast DNS, and a look around at the private
//! networks of this machine. What it tells are hints of where somebody may be; it trusts nobody, holds no key, knows no
//! fleet and speaks to no router.
//!
//! Whoever runs as part of a fleet starts one [`Mdns`], says with [`Mdns::advertise`] who it is and asks with
//! [`Mdns::browse`] who else is there. [`Mdns::herd`] tells whether a router of Ollama Herd is on the network, so that
//! its machines are left alone. [`open_ports`] and [`lan::neighbours`] are for networks on which multicast does not
//! arrive.

mod address;
mod answer;
mod card;
mod guard;
mod herd;
pub mod lan;
mod mdns;
mod scan;
mod sightings;

pub use answer::Sighting;
pub use card::{Card, Fingerprint, Role};
pub use mdns::{Advertiser, Browser, HerdCard, Interfaces, Mdns, MdnsError, Settings};
pub use scan::{Pace, open_ports};

/// Answers of one kind that are kept at most. No household and hardly an office has more machines with models, and
/// whoever floods the network must not fill the memory.
pub const MOST_SIGHTINGS: usize = 64;
