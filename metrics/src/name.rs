//! The built-in metrics: k6's names, kinds and units, and throng's few own.
//!
//! One table; the recorder, the merge, the thresholds and the report all read it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How samples of a metric add up, as in k6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A level: the last, the smallest and the largest value.
    Gauge,
    /// The share of samples that were true.
    Rate,
    /// A distribution.
    Trend,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Rate => "rate",
            Kind::Trend => "trend",
        })
    }
}

/// What a metric's number means, as in k6's `contains`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contains {
    /// A plain number.
    Default,
    /// A duration. Kept in nanoseconds here, shown in milliseconds.
    Time,
    /// Bytes.
    Data,
}

macro_rules! metrics {
    ($($variant:ident $name:literal $kind:ident $contains:ident $digits:literal $doc:literal)*) => {
        /// A built-in metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Metric { $(#[doc = $doc] $variant,)* }

        impl Metric {
            /// Every built-in metric, in the order of the report.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant,)*];

            /// The name k6 gives it (or throng, for its own).
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Metric::$variant => $name,)* } }

            /// How its samples add up.
            #[must_use]
            pub const fn kind(self) -> Kind { match self { $(Metric::$variant => Kind::$kind,)* } }

            /// What its number means.
            #[must_use]
            pub const fn contains(self) -> Contains { match self { $(Metric::$variant => Contains::$contains,)* } }

            /// Significant digits of its histogram; 0 for what is not a trend.
            #[must_use]
            pub const fn digits(self) -> u8 { match self { $(Metric::$variant => $digits,)* } }

            /// The metric of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Metric> { match name { $($name => Some(Metric::$variant),)* _ => None } }
        }
    };
}

metrics! {
    Checks "checks" Rate Default 0 "Checks that passed, of all checks."
    HttpReqDuration "http_req_duration" Trend Time 3 "Service time: sending + waiting + receiving (done - sent)."
    HttpReqFailed "http_req_failed" Rate Default 0 "Requests whose response was not expected (k6: not 200..399)."
    HttpReqs "http_reqs" Counter Default 0 "Requests done, one per redirect hop."
    HttpReqBlocked "http_req_blocked" Trend Time 2 "Waiting for a connection to begin (resolving included)."
    HttpReqConnecting "http_req_connecting" Trend Time 2 "TCP connecting."
    HttpReqTlsHandshaking "http_req_tls_handshaking" Trend Time 2 "TLS handshake."
    HttpReqSending "http_req_sending" Trend Time 2 "First byte of the request to its last."
    HttpReqWaiting "http_req_waiting" Trend Time 2 "Last byte of the request to the first of the response."
    HttpReqReceiving "http_req_receiving" Trend Time 2 "First byte of the response to its last."
    GroupDuration "group_duration" Trend Time 3 "A whole group of steps."
    IterationDuration "iteration_duration" Trend Time 3 "A completed iteration, begun to done."
    Iterations "iterations" Counter Default 0 "Completed iterations."
    DroppedIterations "dropped_iterations" Counter Default 0 "Iterations that were due and not begun."
    Vus "vus" Gauge Default 0 "VUs that are running iterations."
    VusMax "vus_max" Gauge Default 0 "VUs that are initialised."
    DataReceived "data_received" Counter Data 0 "Bytes read from sockets."
    DataSent "data_sent" Counter Data 0 "Bytes written to sockets."
    IterationLateness "iteration_lateness" Trend Time 3 "throng's own fault: begun - due."
    IterationCorrected "iteration_duration_corrected" Trend Time 3 "Open models: done - due."
    HttpReqCorrected "http_req_duration_corrected" Trend Time 3 "Open models, an iteration's first request: done - due of the iteration."
    LoopLag "throng_loop_lag" Trend Time 2 "How late a worker's event loop woke up for its own timer."
    StoppedIterations "iterations_stopped" Counter Default 0 "Iterations that ended early at a `stop` step; tag `reason`."
    ResentRequests "http_reqs_resent" Counter Default 0 "Requests sent again on a new connection after a reused one had closed."
    OverflowSamples "throng_overflow" Counter Default 0 "Samples whose series was beyond the limit."
}

impl Metric {
    /// True for counters of what should not happen: without a sample they are a measured zero, not an unknown.
    #[must_use]
    pub const fn counts_incidents(self) -> bool {
        matches!(
            self,
            Metric::DroppedIterations
                | Metric::StoppedIterations
                | Metric::ResentRequests
                | Metric::OverflowSamples
        )
    }
}

impl fmt::Display for Contains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contains::Default => "default",
            Contains::Time => "time",
            Contains::Data => "data",
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
