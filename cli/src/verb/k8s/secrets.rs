//! A CA and a join token for one run: made on this host, handed to the cluster as Secrets, kept nowhere else.

use super::manifest::Trust;
use crate::error::Error;
use crate::serving::trouble;
use controller::door::Authority;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trust::Role;

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is readable by its owner alone.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes both; the token is good for `lifetime`, for any number of pods.
///
/// # Errors
/// `State` when there is no place for files, or no randomness.
pub(super) fn made(lifetime: Duration) -> Result<Trust, Error> {
    let unlike = trust::token::random::<8>().map_err(|error| Error::State(error.to_string()))?;
    let name = format!("throng-{}", trust::token::hex(&unlike));
    let folder = Folder(std::env::temp_dir().join(name));
    let authority = Authority::open(&folder.0).map_err(trouble)?;
    let token = authority
        .token(Role::Agent, None, lifetime)
        .map_err(trouble)?;
    let state = Authority::FILES.map(|name| Ok((name, read(&folder.0.join(name))?)));
    Ok(Trust {
        state: state.into_iter().collect::<Result<_, Error>>()?,
        token: token.text(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::State(format!("{}: {error}", path.display())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use trust::Token;

    #[test]
    fn each_run_has_its_own() {
        let minute = Duration::from_secs(60);
        let (one, other) = (made(minute).unwrap(), made(minute).unwrap());
        let names: Vec<&str> = one.state.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, Authority::FILES);
        assert!(Token::parse(&one.token).is_ok());
        assert_ne!(one.token, other.token);
        assert_ne!(one.state[1], other.state[1]);
    }
}
