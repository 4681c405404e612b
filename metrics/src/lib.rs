//! From a sample to one honest summary: histograms, intervals, their merge, thresholds and k6's formulas.
//!
//! Pure: no clock, no files, no sockets, no runtime. This room knows no other room.

pub mod delivery;
pub mod gauge;
pub mod histogram;
pub mod interval;
mod md5;
pub mod merge;
pub mod name;
pub mod summary;
pub mod tags;
pub mod text;
pub mod threshold;
pub mod trend;
mod v2;
pub mod value;

pub use delivery::{Arrival, Completeness, Delivery};
pub use gauge::GaugeBook;
pub use histogram::{Digits, Histogram};
pub use interval::{Interval, Series};
pub use merge::{Limits, Store};
pub use name::{Contains, Kind, Metric};
pub use summary::{Judged, Summary, SummaryOptions, TrendStat};
pub use tags::Tags;
pub use text::{Detail, render_text};
pub use threshold::{Aggregation, Operator, Outcome, Threshold, ThresholdError};
pub use trend::{Trend, TrendParts};
pub use v2::DecodeError;
pub use value::{KindMismatch, Value};
