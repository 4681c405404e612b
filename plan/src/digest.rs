//! The plan's digest: controller and agents compare it before a run, so that all fire the same plan.

use crate::Plan;
use sha2::{Digest, Sha256};
use std::io;

struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Plan {
    /// SHA-256 over the plan's JSON: fields in the order of their declaration, maps sorted, thresholds as written.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hashing = Hashing(Sha256::new());
        serde_json::to_writer(&mut hashing, self)
            .expect("a plan holds no map with other than text keys, and hashing cannot fail");
        hashing.0.finalize().into()
    }
}
