//! The store with real files: what is remembered, and what becomes of files that cannot be believed.

#![cfg(test)]

mod damage;
mod learning;
mod remembering;
mod scratch;
