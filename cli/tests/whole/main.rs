//! The program as people meet it: real processes, real sockets, what they print and how they end.

mod arrivals;
mod bad_input;
mod changes;
mod common;
mod counts;
mod docs;
mod help;
mod interruption;
mod ledger;
mod plan;
mod scenarios;
mod setup;
mod standing;
mod versions;
