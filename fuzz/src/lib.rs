//! Bytes from anywhere against the doors they come in by: a scenario file, whatever a peer says, whatever lies on a disk.
//!
//! A target takes any bytes, must not panic, and says in one number what kind of answer came, so that the driver can keep
//! inputs that lead to a new one. Needs no special toolchain: `cargo test -p throng-fuzz` tries each target for a while,
//! `cargo run --release -p throng-fuzz -- --seconds 600` for longer. Targets have the shape that `libfuzzer` wants.

pub mod answer;
pub mod disk;
pub mod driver;
pub mod page;
pub mod peers;
pub mod random;
pub mod seeds;
pub mod targets;
pub mod wire;

pub use targets::{ALL, Target};
pub use wire::Shape;
