//! The gRPC contract between agents, controller and command line, and conversion to and from the pure rooms' types.
//!
//! Generated with protox at build time, so no protoc is needed. Knows `metrics` (and `plan` for bundles); acts on nothing.

pub mod bundle;
pub mod control;
pub mod convert;
pub mod level;
pub mod transcript;

/// Version of the wire contract; agents and controllers of different versions refuse each other, aloud.
pub const PROTOCOL: u32 = 1;

/// The `error` tag of requests that failed for want of something on the agent's own host: the target never saw them.
pub const LOCAL_ERROR: &str = "out of local resources";
/// Largest piece of a bundle in one message, in bytes.
pub const CHUNK: usize = 1 << 20;
/// Largest message either side takes, in bytes; tonic's own limit is 4 MiB. Intervals above it must be split by their sender.
pub const MAX_MESSAGE: usize = 8 << 20;
/// Most bytes of rows (JSON) that setup may give in all.
pub const MAX_ROWS: usize = 64 << 20;
/// Largest single row (JSON).
pub const MAX_ROW: usize = 1 << 20;
/// What a row costs on the wire beside its JSON, at most.
pub const ROW_FRAME: usize = 32;
/// Most rows that setup may give in all.
pub const MAX_ROW_COUNT: u64 = 1_000_000;
/// Largest bundle, in bytes; a larger one is refused before anything is sent.
pub const MAX_BUNDLE: usize = 256 << 20;

/// The generated messages and services of `throng.v1`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("throng.v1");
}
