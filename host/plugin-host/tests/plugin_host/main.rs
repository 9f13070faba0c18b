//! The host with real wasmtime and real components: those that we ship, and those that nobody should.

#![cfg(test)]

mod asking;
mod caching;
mod compiling;
mod hostile;
mod isolating;
mod kinds;
mod loading;
mod scoring;
mod wasi;

use herdwick_fleet::{Column, Matrix};

/// A matrix of rows that differ in their model's state and predicted load.
fn loads(rows: &[(f64, f64)]) -> Matrix {
    let columns = [Column::ModelState, Column::ModelLoad, Column::QueueWaiting, Column::SlotsTotal];
    let slots = (0..rows.len()).map(|row| row as f64).collect();
    let values = rows.iter().flat_map(|(state, load)| [*state, *load, 0.0, 1.0]).collect();
    Matrix::new(&columns, slots, values)
}
