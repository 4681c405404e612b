//! Waking up on time. Tokio's timer wheel turns once a millisecond; at 20,000 arrivals a second it would begin 20 at once.
//! On Linux a timerfd wakes us to a few microseconds instead.

use tokio::time::Instant;

/// Waits for moments, one after the other.
pub(crate) struct Alarm(Kind);

enum Kind {
    #[cfg(target_os = "linux")]
    Fd(timer::Timer),
    Wheel,
}

impl Alarm {
    /// The best there is: a timerfd, or Tokio's wheel where there is none.
    pub(crate) fn new() -> Self {
        #[cfg(target_os = "linux")]
        if let Ok(timer) = timer::Timer::new() {
            return Self(Kind::Fd(timer));
        }
        Self(Kind::Wheel)
    }

    /// Tokio's wheel, whose time a test can stop.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn wheel() -> Self {
        Self(Kind::Wheel)
    }

    /// Returns at `moment`, or at once if it has passed.
    pub(crate) async fn wait_until(&mut self, moment: Instant) {
        match &mut self.0 {
            #[cfg(target_os = "linux")]
            Kind::Fd(timer) => timer.wait_until(moment).await,
            Kind::Wheel => tokio::time::sleep_until(moment).await,
        }
    }
}

#[cfg(target_os = "linux")]
mod timer {
    #![expect(unsafe_code, reason = "timerfd")]

    use crate::clock;
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant;

    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
            // SAFETY: no pointers; the result is checked before it is owned.
            let fd = unsafe {
                let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, flags);
                if fd < 0 {
                    return Err(io::Error::last_os_error());
                }
                OwnedFd::from_raw_fd(fd)
            };
            // SAFETY: `OwnedFd` always gives the same open descriptor, and the wrapper never lets it go.
            Ok(Self(unsafe { AsyncFd::register(fd) }?))
        }

        pub(super) async fn wait_until(&mut self, moment: Instant) {
            loop {
                let left = moment.saturating_duration_since(clock::now());
                if left.is_zero() {
                    return;
                }
                if self.arm(left).is_err() {
                    return tokio::time::sleep_until(moment).await;
                }
                let Ok(mut ready) = self.0.readable().await else {
                    return tokio::time::sleep_until(moment).await;
                };
                // No need to read the timer: setting it again empties it, and the next expiry is a new edge.
                ready.clear_ready();
            }
        }

        fn arm(&self, left: std::time::Duration) -> io::Result<()> {
            let zero = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let spec = libc::itimerspec {
                it_interval: zero,
                it_value: libc::timespec {
                    tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                    tv_nsec: left.subsec_nanos().into(),
                },
            };
            // SAFETY: `spec` lives through the call; the old value is not asked for.
            let done = unsafe {
                libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const spec, std::ptr::null_mut())
            };
            if done == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        }
    }
}
