//! Who is signed in: in memory, bounded, for half a day. A session is known by the hash of its cookie, so that nothing here opens it.

use crate::clock::{self, Instant};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use trust::token::{NoRandomness, hex, random, sha256};

/// How long a session holds, used or not.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Most at once; the oldest goes when another comes.
const MOST: usize = 1000;

/// An operator at a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// What he is called in annotations.
    pub(crate) who: String,
    /// What every request of this session that changes something must show.
    pub(crate) csrf: String,
    /// The token it came from.
    pub(crate) token: [u8; 8],
    until: Instant,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// What requests must show that are of no session: the login, and everything where no login is wanted.
    pub(crate) csrf: String,
    known: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        Ok(Self {
            csrf: hex(&random::<32>()?),
            known: Mutex::default(),
        })
    }

    /// Opens one; gives the cookie.
    pub(crate) fn open(
        &self,
        who: String,
        token: [u8; 8],
    ) -> Result<(String, Session), NoRandomness> {
        let cookie = hex(&random::<32>()?);
        let now = clock::now();
        let session = Session {
            who,
            csrf: hex(&random::<32>()?),
            token,
            until: now + LIFE,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, session| now < session.until);
        if known.len() >= MOST {
            let oldest = known.iter().min_by_key(|(_, session)| session.until);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                known.remove(&oldest);
            }
        }
        known.insert(sha256(cookie.as_bytes()), session.clone());
        Ok((cookie, session))
    }

    /// The session of a cookie, while it holds.
    pub(crate) fn find(&self, cookie: &str) -> Option<Session> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let session = known.get(&sha256(cookie.as_bytes()))?;
        (clock::now() < session.until).then(|| session.clone())
    }

    /// Ends one.
    pub(crate) fn close(&self, cookie: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&sha256(cookie.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_holds_half_a_day_and_no_longer() {
        let sessions = Sessions::new().unwrap();
        let (cookie, session) = sessions.open("ada".into(), [1; 8]).unwrap();
        assert_eq!(sessions.find(&cookie), Some(session.clone()));
        assert_eq!(sessions.find(&session.csrf), None);
        tokio::time::advance(LIFE - Duration::from_secs(1)).await;
        assert_eq!(sessions.find(&cookie), Some(session));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(sessions.find(&cookie), None);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_so_many_and_the_oldest_goes() {
        let sessions = Sessions::new().unwrap();
        let (first, _) = sessions.open("a".into(), [0; 8]).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let (second, _) = sessions.open("b".into(), [0; 8]).unwrap();
        for _ in 0..MOST - 1 {
            sessions.open("c".into(), [0; 8]).unwrap();
        }
        assert!(sessions.find(&first).is_none());
        assert!(sessions.find(&second).is_some());
        sessions.close(&second);
        assert!(sessions.find(&second).is_none());
        tokio::time::advance(LIFE).await;
        sessions.open("d".into(), [0; 8]).unwrap();
        assert_eq!(sessions.known.lock().unwrap().len(), 1);
    }
}
