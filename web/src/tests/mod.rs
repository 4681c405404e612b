//! The page whole, in front of a controller that is none.

mod events;
mod fake;
mod login;
mod refusals;
mod rig;
mod routes;
mod server;
