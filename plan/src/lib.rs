//! What a run means: a bundle is compiled to a plan, and load is arithmetic on it.
//!
//! Pure: no clock, no files, no sockets, no runtime. Of the other rooms it knows only `metrics`,
//! for the names and the grammar of thresholds.
//!
//! The way of a scenario file: [`draft`](crate::Bundle::source) text → spanned tree → every room reads its part by hand and
//! reports all it dislikes → [`Plan`]. The plan's [`Executor`]s give curves ([`curve`]), the [`Stripe`] says which of a
//! curve's indexes are whose, and the [`Flow`]s say what an iteration does.

mod compile;
mod data;
mod diagnostics;
mod digest;
mod draft;
mod duration;
mod executor;
mod explain;
mod flow;
mod json_path;
mod options;
mod phase;
mod rows;
mod scenario;
mod shortcut;
mod status;
mod step;
mod template;
mod threshold;

pub mod bundle;
pub mod control;
pub mod curve;
pub mod model;
pub mod shares;
pub mod stripe;

pub use bundle::{Bundle, Overrides};
pub use compile::{compile, one_request, wanted_env};
pub use control::{Change, Control, ControlError, Pause, Scale};
pub use curve::{ArrivalCurve, ScaledArrivals, ScaledVus, Span, VuCurve};
pub use diagnostics::{Diagnostic, Diagnostics, Place, near_miss};
pub use duration::{format as format_duration, parse as parse_duration};
pub use explain::{Explanation, MOST_STEPS};
pub use model::*;
pub use shares::{Ownership, SeatChange, Shares, Tenure, Turns};
pub use stripe::{Stripe, StripeError};
pub use template::{Scope, text_of};
