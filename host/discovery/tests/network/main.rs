//! The crate on real sockets: multicast of this machine to itself over the loopback interface, on ports of the tests' own.
#![cfg(test)]

mod flood;
mod herd;
mod lies;
mod looking;
mod meeting;
mod packet;
mod place;
