//! What crews do, in stopped time, against a target in memory: each executor, its ends, its books.

mod books;
mod changes;
mod closed;
mod fleet;
mod flow;
mod handover;
mod open;
mod rig;
mod seeds;
mod sequence;
mod shared;
mod stops;
