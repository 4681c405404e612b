//! The book of join tokens: `tokens.json` in the state directory. It holds hashes of secrets, never a secret. Every change is made
//! under a lock on the folder and synced before it counts, so that a token's uses are the same for a controller, for the command line
//! beside it, and after a restart.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;
use trust::Role;
use trust::files::{self, Stamp};
use trust::token::{Token, hex, sha256};

/// Most tokens in the book.
const MOST: usize = 10_000;
/// Keys remembered for each token, so that an answer lost on the way can be asked for again.
const KEYS: usize = 16;

/// One token, as the book has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The token's id, hexadecimal.
    pub id: String,
    /// SHA-256 of its secret, hexadecimal.
    secret_sha256: String,
    /// `agent` or `operator`.
    pub role: String,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
    /// How often it may be used; `None`: without limit.
    pub uses: Option<u64>,
    /// How often it was.
    pub used: u64,
    /// It counts no more, nor do certificates that came from it.
    pub revoked: bool,
    /// Hashes of the public keys that came in with it, newest last.
    #[serde(default)]
    keys: Vec<String>,
}

/// Why a token does not open the door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such token, or another secret: which, is not told.
    #[error(
        "this controller knows no such join token; was it made for another controller, or in another --state directory?"
    )]
    Unknown,
    /// Right token, wrong door.
    #[error("this join token is for an {0}; `throng token create --role {1}` makes the other kind")]
    Role(String, Role),
    /// Too late.
    #[error("this join token has expired; `throng token create` makes another")]
    Expired,
    /// Too often.
    #[error(
        "this join token was used as often as it may be ({0}×); `throng token create --uses N` makes one for more"
    )]
    UsedUp(u64),
    /// It was taken back.
    #[error("this join token was revoked")]
    Revoked,
    /// The book could not be read or written.
    #[error("the controller cannot read or write its book of tokens")]
    Book,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    tokens: Vec<Entry>,
}

impl Book {
    /// One use of a token by the holder of a key. Coming again with the same key is the same use.
    fn admit(
        &mut self,
        id: &[u8],
        secret: &[u8],
        role: Role,
        key: &[u8],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let id = hex(id);
        let given = hex(&sha256(secret));
        let entry = self
            .tokens
            .iter_mut()
            .find(|entry| entry.id == id)
            .ok_or(Refusal::Unknown)?;
        // Before anything else, so that nobody learns a thing about a token without its secret.
        if !bool::from(given.as_bytes().ct_eq(entry.secret_sha256.as_bytes())) {
            return Err(Refusal::Unknown);
        }
        if entry.revoked {
            return Err(Refusal::Revoked);
        }
        if entry.role != role.word() {
            return Err(Refusal::Role(entry.role.clone(), role));
        }
        if now_ms >= entry.expires_ms {
            return Err(Refusal::Expired);
        }
        let key = hex(&sha256(key));
        if entry.keys.contains(&key) {
            return Ok(());
        }
        if let Some(uses) = entry.uses.filter(|uses| entry.used >= *uses) {
            return Err(Refusal::UsedUp(uses));
        }
        entry.used += 1;
        entry.keys.push(key);
        let surplus = entry.keys.len().saturating_sub(KEYS);
        entry.keys.drain(..surplus);
        Ok(())
    }

    fn add(&mut self, entry: Entry) -> io::Result<()> {
        if self.tokens.len() >= MOST {
            // Nobody came in with these, and nobody can.
            self.tokens
                .retain(|old| old.used > 0 || old.expires_ms > entry.created_ms);
        }
        if self.tokens.len() >= MOST {
            return Err(io::Error::other(format!(
                "the book is full ({MOST} tokens)"
            )));
        }
        self.tokens.push(entry);
        Ok(())
    }
}

/// The book, in a state directory.
#[derive(Debug)]
pub struct Books {
    folder: PathBuf,
    /// The file as it was read, and the tokens in it that were not taken back.
    standing: Mutex<(Option<Stamp>, HashSet<String>)>,
}

impl Books {
    /// The book of this state directory, which exists.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            standing: Mutex::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("tokens.json")
    }

    /// What a book's bytes say.
    ///
    /// # Errors
    /// They are none.
    pub fn read_book(bytes: &[u8]) -> io::Result<Vec<Entry>> {
        let book: Book = serde_json::from_slice(bytes).map_err(io::Error::other)?;
        Ok(book.tokens)
    }

    fn read(&self) -> io::Result<Book> {
        match files::read_secret(&self.path()) {
            Ok(bytes) => Self::read_book(&bytes).map(|tokens| Book { tokens }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
            Err(error) => Err(error),
        }
    }

    /// Reads, changes and writes, alone; what came to nothing is not written, so that a refusal costs no disk.
    fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Book) -> Result<T, E>,
    ) -> io::Result<Result<T, E>> {
        let _alone = lock(&self.folder)?;
        let mut book = self.read()?;
        let result = change(&mut book);
        if result.is_ok() {
            let bytes = serde_json::to_vec_pretty(&book).map_err(io::Error::other)?;
            files::write(&self.path(), &bytes)?;
        }
        Ok(result)
    }

    /// Enters a new token.
    ///
    /// # Errors
    /// The file's.
    pub fn enter(
        &self,
        token: &Token,
        role: Role,
        uses: Option<u64>,
        created_ms: u64,
        expires_ms: u64,
    ) -> io::Result<()> {
        let entry = Entry {
            id: hex(&token.id),
            secret_sha256: hex(&sha256(&token.secret)),
            role: role.word().to_owned(),
            created_ms,
            expires_ms,
            uses,
            used: 0,
            revoked: false,
            keys: Vec::new(),
        };
        self.change(|book| book.add(entry))?
    }

    /// Every token in the book.
    ///
    /// # Errors
    /// The file's.
    pub fn list(&self) -> io::Result<Vec<Entry>> {
        Ok(self.read()?.tokens)
    }

    /// Takes back the tokens whose id begins so, and says which.
    ///
    /// # Errors
    /// The file's.
    pub fn revoke(&self, beginning: &str) -> io::Result<Vec<String>> {
        let revoked = self.change(|book| {
            let meant = book
                .tokens
                .iter_mut()
                .filter(|entry| entry.id.starts_with(beginning));
            let ids = meant.map(|entry| {
                entry.revoked = true;
                entry.id.clone()
            });
            Ok::<_, io::Error>(ids.collect())
        });
        revoked?
    }

    /// Uses a token once, durably.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(
        &self,
        id: &[u8],
        secret: &[u8],
        role: Role,
        key: &[u8],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let changed = self.change(|book| book.admit(id, secret, role, key, now_ms));
        changed.map_err(|error| {
            tracing::error!("{}: {error}", self.path().display());
            Refusal::Book
        })?
    }

    /// True if the token of this mark (`TOKEN-RANDOM`, see `trust::Identity`) was taken back, or is not in the book at all. The file is
    /// read when it has changed.
    #[must_use]
    pub fn is_revoked(&self, mark: &str) -> bool {
        let token = mark.split('-').next().unwrap_or_default();
        let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = files::stamp(&self.path());
        if (changed != known.0 || changed.is_none())
            && let Ok(book) = self.read()
        {
            let standing = book.tokens.into_iter().filter(|entry| !entry.revoked);
            *known = (changed, standing.map(|entry| entry.id).collect());
        }
        !known.1.contains(token)
    }
}

/// The state directory to oneself, until dropped.
pub(super) fn lock(folder: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn book(uses: Option<u64>) -> (Book, Token) {
        let token = Token::draw([1; 32]).unwrap();
        let mut book = Book::default();
        book.add(Entry {
            id: hex(&token.id),
            secret_sha256: hex(&sha256(&token.secret)),
            role: "agent".into(),
            created_ms: 0,
            expires_ms: HOUR,
            uses,
            used: 0,
            revoked: false,
            keys: vec![],
        })
        .unwrap();
        (book, token)
    }

    #[test]
    fn a_token_opens_as_often_as_it_may_and_no_more() {
        let (mut book, token) = book(Some(2));
        let mut admit =
            |key: &[u8], now| book.admit(&token.id, &token.secret, Role::Agent, key, now);
        assert_eq!(admit(b"a", 1), Ok(()));
        assert_eq!(
            admit(b"a", 2),
            Ok(()),
            "the same key: the answer was lost on the way"
        );
        assert_eq!(admit(b"b", 3), Ok(()));
        assert_eq!(admit(b"c", 4), Err(Refusal::UsedUp(2)));
        assert_eq!(admit(b"a", HOUR), Err(Refusal::Expired));
    }

    #[test]
    fn without_the_secret_nothing_is_learned() {
        let (mut book, token) = book(None);
        let mut admit =
            |id: &[u8], secret: &[u8], role, now| book.admit(id, secret, role, b"k", now);
        assert_eq!(
            admit(&[0; 8], &token.secret, Role::Agent, 1),
            Err(Refusal::Unknown)
        );
        assert_eq!(
            admit(&token.id, &[0; 32], Role::Agent, 1),
            Err(Refusal::Unknown)
        );
        assert_eq!(
            admit(&token.id, b"", Role::Operator, 2 * HOUR),
            Err(Refusal::Unknown)
        );
        assert_eq!(
            admit(&token.id, &token.secret, Role::Operator, 1),
            Err(Refusal::Role("agent".into(), Role::Operator))
        );
        book.tokens[0].revoked = true;
        assert_eq!(
            book.admit(&token.id, &token.secret, Role::Agent, b"k", 1),
            Err(Refusal::Revoked)
        );
        assert_eq!(book.tokens[0].used, 0);
    }

    #[test]
    fn uses_are_counted_on_disk_and_revocation_is_seen_by_others() {
        let folder = std::env::temp_dir().join(format!("throng-books-{}", std::process::id()));
        files::folder(&folder).unwrap();
        let token = Token::draw([1; 32]).unwrap();
        let controller = Books::new(&folder);
        Books::new(&folder)
            .enter(&token, Role::Agent, Some(1), 0, HOUR)
            .unwrap();
        let admit =
            |books: &Books, key: &[u8]| books.admit(&token.id, &token.secret, Role::Agent, key, 1);
        assert_eq!(admit(&controller, b"a"), Ok(()));
        assert_eq!(
            admit(&Books::new(&folder), b"b"),
            Err(Refusal::UsedUp(1)),
            "as after a restart"
        );
        let mark = format!("{}-00", hex(&token.id));
        assert!(!controller.is_revoked(&mark));
        assert_eq!(
            Books::new(&folder)
                .revoke(&hex(&token.id)[..4])
                .unwrap()
                .len(),
            1
        );
        assert!(controller.is_revoked(&mark));
        assert!(
            controller.is_revoked("0123456789abcdef-00"),
            "of no token that was ever made"
        );
        let text = fs::read_to_string(folder.join("tokens.json")).unwrap();
        assert!(!text.contains(&hex(&token.secret)));
        fs::remove_dir_all(&folder).unwrap();
    }
}
