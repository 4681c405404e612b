//! What the system allows this process: open files, of which each VU's connection is one.
#![expect(unsafe_code, reason = "getrlimit, setrlimit")]

/// Files that are open for other reasons than VUs: the link, runtimes, libraries.
pub(crate) const RESERVE: u64 = 64;

/// Raises the soft limit of open files to the hard one; the limit then. Many systems still begin at 1,024, which is for
/// programs that use `select`; we do not. `None` if the system does not say.
pub(crate) fn raise_open_files() -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place to write to, and to read from.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return None;
        }
        let hard = libc::rlimit {
            rlim_cur: limit.rlim_max,
            ..limit
        };
        if limit.rlim_cur < limit.rlim_max
            && libc::setrlimit(libc::RLIMIT_NOFILE, &raw const hard) == 0
        {
            return Some(hard.rlim_cur);
        }
    }
    Some(limit.rlim_cur)
}
