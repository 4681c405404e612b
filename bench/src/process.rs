//! A child process on a core of its own, ended when it is dropped.
#![expect(unsafe_code, reason = "libc calls for CPU affinity")]

use super::clock::cpu_time;
use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server or a client under measurement.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, on `core` only if there is more than one.
    pub(crate) fn start(command: &mut Command, core: usize) -> io::Result<Self> {
        let all = affinity()?;
        // A child inherits its parent's cores; so the parent moves there while it starts one.
        let cores = cores(&all);
        if cores.len() > 1 {
            set_affinity(&only(cores[core % cores.len()]))?;
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        set_affinity(&all)?;
        let name = command.get_program().to_string_lossy().into_owned();
        Ok(Self {
            child: child.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot start {name}: {error}"))
            })?,
        })
    }

    /// CPU it has used.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        cpu_time(self.child.id())
    }

    /// An error with the end of what it said, if it has ended.
    pub(crate) fn still_runs(&mut self) -> io::Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let mut said = String::new();
        if let Some(mut out) = self.child.stdout.take() {
            out.read_to_string(&mut said)?;
        }
        if let Some(mut err) = self.child.stderr.take() {
            err.read_to_string(&mut said)?;
        }
        let from = said.char_indices().rev().nth(600).map_or(0, |(at, _)| at);
        Err(io::Error::other(format!(
            "it ended early ({status}): {}",
            said[from..].trim()
        )))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many cores this process may use.
pub(crate) fn core_count() -> io::Result<usize> {
    Ok(cores(&affinity()?).len())
}

fn affinity() -> io::Result<libc::cpu_set_t> {
    // SAFETY: an all-zero set is a valid, empty one; the call only writes to it.
    let (result, set) = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set),
            set,
        )
    };
    if result == 0 {
        Ok(set)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn set_affinity(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: the call only reads the set.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const *set) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn cores(set: &libc::cpu_set_t) -> Vec<usize> {
    let most = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: `core` is below CPU_SETSIZE.
    (0..most)
        .filter(|&core| unsafe { libc::CPU_ISSET(core, set) })
        .collect()
}

fn only(core: usize) -> libc::cpu_set_t {
    // SAFETY: an all-zero set is a valid, empty one; `core` came from a set and so is below CPU_SETSIZE.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        set
    }
}
