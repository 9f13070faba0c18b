//! What a request costs on its way to a model server: direct, over nginx, over Herdwick, on the same machine, in the
//! same minute, with the same clients. It knows Herdwick as a program with a command line and nothing of its insides.
//!
//! Reading order: [`mock`] is the model server, [`client`] one connection of a client, [`load`] and [`stream`] what
//! clients do for a slice of time, [`system`] what they ask, [`rounds`] who is measured when, [`figure`] what is made
//! of it, [`table`] how it is shown. [`facts`] is what no load shows, with [`resting`] and [`starting`], [`calls`]
//! counts system calls.

pub mod calls;
pub mod client;
pub mod cpu;
pub mod facts;
pub mod figure;
pub mod load;
pub mod mock;
pub mod process;
pub mod resting;
pub mod rounds;
pub mod scratch;
pub mod starting;
pub mod stream;
pub mod system;
pub mod table;
