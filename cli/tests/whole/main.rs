//! The program as people meet it: real processes, real sockets, what they print and how they end.

mod bad_input;
mod common;
mod counts;
mod docs;
mod help;
mod interruption;
mod ledger;
mod scenarios;
mod standing;
mod versions;
