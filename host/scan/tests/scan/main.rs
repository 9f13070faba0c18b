//! The scanner from outside: what it finds, what it refuses, and that it agrees with other readers.

#![cfg(test)]

mod answers;
mod found;
mod refused;
