//! The door: who may come in, and as what. TLS, tokens, certificates and their roles; everything behind it is told who a peer is by
//! its verified certificate, never by what it says.
//!
//! | file | what |
//! |---|---|
//! | `books` | tokens: their hashes, expiry and uses, counted durably |
//! | `authority` | the controller's own CA |
//! | `gate` | the TLS settings of now: own CA, or files that somebody else renews |
//! | `accept` | from a listener to connections: handshakes in bounded time, from bounded crowds |
//! | `peer` | a connection, and who is at its other end |
//! | `guard` | which role may call which service |
//! | `service` | enrolling and renewing |
//!
//! Knows nothing of runs.

mod accept;
mod authority;
pub mod books;
mod gate;
mod guard;
mod peer;
mod service;

pub(crate) use accept::accept;
pub use authority::{Authority, Trouble};
pub use books::Books;
pub use gate::{Door, Gate};
pub(crate) use guard::{gates, only};
pub use peer::Peer;
pub(crate) use service::DoorService;
