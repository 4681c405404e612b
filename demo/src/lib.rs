//! The demo room: a concert reservation service to practise on, with a ledger of what truly happened.
//!
//! It behaves like a small real service (a pool of database connections, lognormal service times,
//! a few honest failures), or, with [`Options::fast`], answers as quickly as it can. It owns its
//! threads, so its CPU time can be told from its host's. It knows nothing of throng: whoever loads
//! it holds the load's report against `GET /ledger`.
//!
//! One request's way: `server` accepts, `desk` checks the token, waits in `database`, changes a
//! `hall`, and `ledger` writes it down.

mod clock;
mod database;
mod desk;
mod draw;
mod flags;
mod hall;
mod ledger;
mod options;
mod paths;
mod refusal;

mod server;
mod service;
mod service_time;
mod tokens;
mod wire;

pub use flags::Flags;
pub use ledger::{Latency, Report};
pub use options::{BadOption, Options};
pub use server::{Running, serve, start};
pub use service_time::{ServiceTime, ServiceTimes};
