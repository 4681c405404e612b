//! The laws of the room, from outside: what a histogram holds, what a merge gives, what a threshold decides.
#![expect(clippy::unwrap_used, reason = "tests")]

mod histogram;
mod quantile;
mod store;
mod summary;
mod threshold;
mod time;
