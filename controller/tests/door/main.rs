//! The door from outside: real listeners, real TLS, and those who should not come in.

#![expect(clippy::unwrap_used, reason = "tests")]

mod browsers;
mod files;
mod hostile;
mod house;
mod rotation;
mod tokens;
