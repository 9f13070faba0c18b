//! How well each router routes: fleets, patterns of arrival and loads, all with the same requests.

mod capacity;
mod matrix;
mod policy;

pub use self::capacity::capacity;
pub use self::matrix::{Cell, Outcome, measure};
pub use self::policy::Policy;
