//! The request path: one VU's HTTP client on hyper's `client::conn`, with k6's phases and the bytes on the wire.
//!
//! A [`Client`] belongs to one VU on one worker (single-threaded runtime with a `LocalSet`); it owns its connections and its
//! cookies, as a real user's browser does. What an agent's VUs have in common (TLS settings, the DNS cache, the doors to the
//! network) is its [`Shared`]. This room knows nothing of plans, checks or metrics: it sends one request, follows its
//! redirects, and tells what happened on each hop.
//!
//! | file | what |
//! |---|---|
//! | `client` | a VU's client: deadline, redirects, cookies, what a cut leaves behind |
//! | `attempt` | one hop: on the idle connection or a new one, resent once if that one was stale |
//! | `connect`, `conn` | opening a connection; one request and its response on it |
//! | `wire`, `tap`, `frames` | the socket, counted and stamped; which of its bytes are the request's and the response's |
//! | `resolve`, `dial`, `tls` | names, sockets, certificates |
//! | `allow`, `ceiling` | what an agent will not do, whoever directs it: targets, requests per second |
//! | `redirect`, `cookies`, `decode`, `failure` | the rules |

mod allow;
mod attempt;
mod auth;
mod ceiling;
mod client;
mod clock;
mod conn;
mod connect;
mod cookies;
mod decode;
mod dial;
mod failure;
mod frames;
mod hop;
mod preflight;
mod redirect;
mod resolve;
mod shared;
mod tap;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use allow::{Target, Targets};
pub use ceiling::Ceiling;
pub use client::{Client, Cut};
pub use dial::{Dial, LocalFuture, Stream, TcpDial};
pub use failure::Failure;
pub use hop::{Exchange, Hop, Phases, Proto, Request};
pub use preflight::preflight;
pub use resolve::{Resolve, SystemResolve};
pub use shared::{Bounds, ClientConfigOptions, Shared, SharedError};
