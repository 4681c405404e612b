//! Outputs: what the run measures, second by second, for other programs. One writer for the whole fleet.
//!
//! The run's loop only hands over what it merged ([`feed`]); a task puts seconds together ([`frame`]), words them ([`encoder`]) and
//! queues them; each output has a task of its own that writes (`sink`). A full queue loses points, counted, and nothing here is ever
//! waited for while load is made. Knows nothing of agents' links or of how a run is directed.

mod again;
pub mod encoder;
mod facts;
pub mod feed;
pub mod frame;
mod hub;
pub mod page;
mod queue;
pub mod rows;
mod sample;
mod sink;
pub mod spec;
pub mod totals;

pub use facts::OutputFacts;
pub use feed::{Feed, Labels};
pub use page::Page;
pub use spec::{Spec, SpecError};
