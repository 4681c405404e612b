//! The view, without a terminal: made-up events in, pictures and actions out.

#![expect(clippy::unwrap_used, reason = "tests")]

mod hostile;
mod made_up;
mod pictures;
mod steps;
