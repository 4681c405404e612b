//! `sleep`: a fixed or a seeded random time.

use crate::clock;
use crate::vu::Vu;
use std::time::Duration;

pub(super) async fn run(vu: &mut Vu, min: Duration, max: Duration) {
    let span = u64::try_from(max.saturating_sub(min).as_nanos()).unwrap_or(u64::MAX);
    let extra = match span {
        0 => 0,
        // Both ends included.
        span => vu.random.below(span.saturating_add(1)),
    };
    tokio::time::sleep_until(clock::now() + min + Duration::from_nanos(extra)).await;
}
