//! Who holds which token: at most one per user, so that memory is bounded by the number of users.
//!
//! Asking twice gives the same token: a place in a queue is not lost by looking at it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::draw::mix;

/// The tokens of users 1..=n. Lock-free; a slot is 0 until its user has asked.
pub(crate) struct Tokens {
    slots: Box<[AtomicU64]>,
    /// Changes with every [`Tokens::clear`], so that an old token stays unknown.
    salt: AtomicU64,
}

impl Tokens {
    pub(crate) fn new(users: u32, seed: u64) -> Self {
        Self {
            slots: (0..users).map(|_| AtomicU64::new(0)).collect(),
            salt: AtomicU64::new(mix(seed)),
        }
    }

    /// The user's token (24 hexadecimal digits), or `None` when there is no such user.
    pub(crate) fn issue(&self, user: u64) -> Option<String> {
        let slot = self
            .slots
            .get(usize::try_from(user.checked_sub(1)?).ok()?)?;
        // Never 0, which means "not asked".
        let fresh = mix(self.salt.load(Relaxed) ^ mix(user)) | 1;
        let secret = match slot.compare_exchange(0, fresh, Relaxed, Relaxed) {
            Ok(_) => fresh,
            Err(held) => held,
        };
        Some(format!("{user:08x}{secret:016x}"))
    }

    /// Whose token this is, if anyone's.
    pub(crate) fn owner(&self, token: &str) -> Option<u64> {
        if token.len() != 24 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let user = u64::from_str_radix(&token[..8], 16).ok()?;
        let secret = u64::from_str_radix(&token[8..], 16).ok()?;
        let slot = self
            .slots
            .get(usize::try_from(user.checked_sub(1)?).ok()?)?;
        (secret != 0 && slot.load(Relaxed) == secret).then_some(user)
    }

    /// Makes every token unknown.
    pub(crate) fn clear(&self) {
        self.salt.fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed);
        for slot in &self.slots {
            slot.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    #[test]
    fn a_user_has_one_token_and_it_names_the_user() {
        let tokens = Tokens::new(3, 0);
        let token = tokens.issue(3).unwrap_or_default();
        assert_eq!(tokens.issue(3).as_deref(), Some(token.as_str()));
        assert_eq!(tokens.owner(&token), Some(3));
        assert_eq!(
            (tokens.issue(0), tokens.issue(4), tokens.issue(u64::MAX)),
            (None, None, None)
        );
    }

    #[test]
    fn a_made_up_token_is_unknown() {
        let tokens = Tokens::new(3, 0);
        let token = tokens.issue(1).unwrap_or_default();
        let of_another = token.replacen("00000001", "00000002", 1);
        let not_asked = "000000020000000000000000";
        for made_up in [
            "",
            "x",
            "+00000010000000000000000",
            not_asked,
            &of_another,
            &token[1..],
            "ééééééééééééé",
        ] {
            assert_eq!(tokens.owner(made_up), None, "{made_up}");
        }
    }

    #[test]
    fn a_cleared_token_is_unknown_for_good() {
        let tokens = Tokens::new(1, 0);
        let old = tokens.issue(1).unwrap_or_default();
        tokens.clear();
        assert_eq!(tokens.owner(&old), None);
        assert_ne!(tokens.issue(1), Some(old.clone()));
        assert_eq!(tokens.owner(&old), None);
    }
}
