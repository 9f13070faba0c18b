//! Dispatch from outside: requests arrive, runs end, machines come and go, and the actions are what is looked at.

#![cfg(test)]

mod changing;
mod choosing;
mod loading;
mod random;
mod stage;
mod waiting;
