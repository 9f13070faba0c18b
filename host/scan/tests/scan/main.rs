//! The scanner from outside: what it finds, what it refuses, and that it agrees with other readers.

#![cfg(test)]

mod agreeing;
mod answers;
mod found;
mod reference;
mod refused;
