//! The program as people meet it: real processes, real sockets, what they print and how they end.

mod arrivals;
mod bad_input;
mod changes;
mod common;
mod compose;
mod counts;
mod docs;
mod door;
mod far;
mod fleet;
mod help;
mod interruption;
mod keeping;
mod ledger;
mod losses;
mod merge;
mod plan;
mod scarce;
mod scenarios;
mod setup;
mod standing;
mod successor;
mod versions;
mod web;
