//! The web page: what a controller's runs and agents do, live and past, and what an operator may do about it, in a browser.
//!
//! Served from the program itself. It asks `Control` as the command line does, in the process, and has no state of its own beside
//! sessions. It knows neither controller nor plan: what it needs of them is handed in ([`Backing`], [`Tokens`]).
//!
//! | file | what |
//! |---|---|
//! | `server`, `conn` | from a listener to connections: TLS, bounded crowds, bounded waits |
//! | `router`, `guard`, `headers` | which requests are answered at all |
//! | `login`, `sessions`, `attempts` | who asks |
//! | `ask`, `read`, `start`, `act`, `events`, `report` | what is asked, and told |
//! | `json` | the wire's messages as JSON |
//! | `assets`, `files` | the page's own files |

mod act;
mod ask;
mod assets;
mod attempts;
mod clock;
mod conn;
mod events;
mod files;
mod guard;
mod headers;
mod json;
mod login;
mod page;
mod problem;
mod read;
mod report;
mod router;
mod server;
mod sessions;
mod start;
#[cfg(test)]
mod tests;

pub use page::{Backing, Page, Scenario, Settings, Tokens, Wanted};
pub use server::{Face, routes, serve};

/// Where the page is on a standing controller, unless told otherwise.
pub const PORT: u16 = 7480;
