//! Lives of agents that share a spool. Each holds a lock for as long as its process is there, whatever becomes of its link or its disk,
//! so that the next one knows which have ended, and can tell the controller before their leases are over.
//!
//! A free lock proves an end only of the life that locked this very file, on this boot of this machine: a copied spool, or one that
//! several hosts share, proves nothing. Nor does anything that fails here: then the lease decides, as without a spool.

use crate::config::Spooling;
use journal::Disk;
use std::io;
use std::path::Path;

/// Ends that one life tells of.
const MOST: usize = 64;
/// Beside the transcripts.
const DIR: &str = "lives";

/// Locks this life's file until the process ends; the numbers of earlier lives that have ended.
pub(crate) fn claim(spooling: &Spooling, incarnation: u64, boot: &str) -> Vec<u64> {
    let claimed = || {
        let (disk, dir) = (&*spooling.disk, &spooling.dir);
        disk.make_dir(dir)?;
        // Where files have no identity nothing is proved.
        disk.identity(dir)?;
        let lives = dir.join(DIR);
        disk.make_dir(&lives)?;
        hold(disk, &lives, incarnation, boot)?;
        ended(disk, &lives, boot)
    };
    let claimed: io::Result<Vec<u64>> = claimed();
    claimed.unwrap_or_else(|error| {
        tracing::debug!(%error, "no proof of whose process has ended");
        Vec::new()
    })
}

fn hold(disk: &dyn Disk, lives: &Path, incarnation: u64, boot: &str) -> io::Result<()> {
    let (life, lock) = names(incarnation);
    let held = disk.lock(&lives.join(&lock))?;
    // Given back when the process ends, and not a moment earlier.
    Box::leak(held);
    if disk.lock(&lives.join(&lock)).is_ok() {
        // Locks that hold nobody off prove nothing.
        return Err(io::ErrorKind::Unsupported.into());
    }
    // Only now: without it the lock says nothing.
    disk.replace(
        &lives.join(life),
        proof(disk, &lives.join(lock), boot)?.as_bytes(),
    )
}

/// Which lives have ended; their files go with them.
fn ended(disk: &dyn Disk, lives: &Path, boot: &str) -> io::Result<Vec<u64>> {
    let mut ended = Vec::new();
    for name in disk.list(lives)? {
        let number = name.strip_suffix(".life");
        let Some(number) = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
            continue;
        };
        let (life, lock) = names(number);
        let (life, lock) = (lives.join(life), lives.join(lock));
        // One half written, or taken away by another start meanwhile, proves nothing and hinders nobody.
        let said = disk.read(&life).ok();
        let proof = proof(disk, &lock, boot).ok().map(String::into_bytes);
        // Held by whoever is alive.
        let Ok(_held) = disk.lock(&lock) else {
            continue;
        };
        if said.is_some() && said == proof && ended.len() < MOST {
            ended.push(number);
        }
        // What cannot be removed is looked at again by the next start.
        let _ = disk.remove(&life);
        let _ = disk.remove(&lock);
    }
    Ok(ended)
}

/// A life's two files: what it says of itself, and the one it has locked.
fn names(incarnation: u64) -> (String, String) {
    (
        format!("{incarnation:016x}.life"),
        format!("{incarnation:016x}.lock"),
    )
}

/// What a life says of the file that it has locked: on which boot, and which file, so that no copy of it proves anything.
fn proof(disk: &dyn Disk, lock: &Path, boot: &str) -> io::Result<String> {
    if boot.is_empty() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(format!("{boot} {}\n", disk.identity(lock)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use journal::RealDisk;
    use std::fs;

    const LIMIT: u64 = 1 << 20;

    /// As a process leaves it that has ended: its locks are free.
    fn left(dir: &Path, incarnation: u64, boot: &str) {
        let lives = dir.join(DIR);
        RealDisk.make_dir(&lives).unwrap();
        let (life, lock) = names(incarnation);
        drop(RealDisk.lock(&lives.join(&lock)).unwrap());
        let proof = proof(&RealDisk, &lives.join(lock), boot).unwrap();
        RealDisk
            .replace(&lives.join(life), proof.as_bytes())
            .unwrap();
    }

    #[test]
    fn a_life_whose_lock_is_free_has_ended_and_is_told_of_once() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spooling::new(dir.path().to_owned(), LIMIT);
        left(dir.path(), 7, "boot");
        assert_eq!(claim(&spool, 8, "boot"), [7]);
        // Eight lives: its lock is held by this process.
        assert_eq!(claim(&spool, 9, "boot"), [0_u64; 0]);
        let names = RealDisk.list(&dir.path().join(DIR)).unwrap();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn another_boot_a_copy_and_a_torn_word_prove_nothing() {
        let dir = tempfile::tempdir().unwrap();
        left(dir.path(), 7, "other boot");
        left(dir.path(), 8, "boot");
        let lives = dir.path().join(DIR);
        // A copy of the spool of one that is alive.
        fs::rename(lives.join(names(8).1), lives.join("away")).unwrap();
        fs::copy(lives.join("away"), lives.join(names(8).1)).unwrap();
        left(dir.path(), 9, "boot");
        fs::write(lives.join(names(9).0), "bo").unwrap();
        let spool = Spooling::new(dir.path().to_owned(), LIMIT);
        assert_eq!(claim(&spool, 10, "boot"), [0_u64; 0]);
        assert_eq!(
            claim(&spool, 11, ""),
            [0_u64; 0],
            "a machine whose boots have no name"
        );
    }
}
