//! The book of tokens, as the web page asks it.

use controller::door::Books;
use trust::token::{hex, random};
use trust::{Role, Token};

/// The book.
#[derive(Debug)]
pub(super) struct Book(pub(super) Books);

impl web::Tokens for Book {
    fn admit(&self, token: &Token) -> Result<(), String> {
        // Whoever comes with a key of his own may come with it again; a browser has none, so each login is a use.
        let key = random::<32>().map_err(|error| error.to_string())?;
        let now = crate::clock::unix_millis();
        self.0
            .admit(&token.id, &token.secret, Role::Operator, &key, now)
            .map_err(|refusal| refusal.to_string())
    }

    fn is_revoked(&self, id: [u8; 8]) -> bool {
        self.0.is_revoked(&hex(&id))
    }
}
