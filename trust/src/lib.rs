//! Who is who on the wire: join tokens, certificates and what stands in them, TLS settings, and dialing a controller with them.
//!
//! Shared by agents, controllers, the web page and the command line. No cryptography of its own: rustls, ring and rcgen do it. It decides nobody's
//! rights (the controller's `door` does) and knows nothing of runs.

mod clock;
pub mod dial;
pub mod enrol;
pub mod files;
pub mod identity;
pub mod keeper;
pub mod places;
mod request;
pub mod tls;
pub mod token;
pub mod web;

pub use dial::{Address, DialError};
pub use enrol::{Enrolment, NewKey};
pub use identity::{Identity, Role};
pub use keeper::Keeper;
pub use request::SigningRequest;
pub use tls::{Credentials, Roots};
pub use token::Token;
