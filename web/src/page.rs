//! The page: how it is to be served, and what it needs of rooms that it does not know.

use crate::ask::Ask;
use crate::attempts::Attempts;
use crate::guard::Names;
use crate::sessions::Sessions;
use proto::v1::control_server::Control;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use trust::Token;

/// Event streams at once, in all.
const STREAMS: usize = 64;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A TLS handshake.
    pub(crate) handshake: Duration,
    /// The head of a request; also how long a connection may wait for the next one.
    pub(crate) head: Duration,
    /// A request until it is answered; what is streamed then goes on.
    pub(crate) answer: Duration,
    /// A peer that takes nothing of what there is to send.
    pub(crate) stalled: Duration,
    /// Connections, after everybody was told that it is over.
    pub(crate) farewell: Duration,
}

const LIMITS: Limits = Limits {
    handshake: Duration::from_secs(10),
    head: Duration::from_secs(20),
    answer: Duration::from_secs(30),
    stalled: Duration::from_secs(30),
    farewell: Duration::from_secs(1),
};

/// How the page is served.
pub struct Settings {
    /// throng's version, for people.
    pub version: String,
    /// Host names by which it may be called, beside `localhost` and every address.
    pub names: Vec<String>,
    /// Whether cookies are for TLS only.
    pub secure: bool,
    /// Who knows operators' tokens; `None`: nobody has to sign in.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// What other rooms do for it.
    pub backing: Arc<dyn Backing>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("names", &self.names)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// Scenarios and reports. May take a while: called where blocking is allowed.
pub trait Backing: Send + Sync {
    /// The bundle (JSON) of a scenario.
    ///
    /// # Errors
    /// The diagnostics, as the command line prints them.
    fn bundle(&self, wanted: Wanted) -> Result<Vec<u8>, String>;

    /// A report's text from its JSON.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn report(&self, json: &[u8]) -> Result<String, String>;

    /// Scenarios to start from.
    fn scenarios(&self) -> Vec<Scenario>;
}

/// The book of tokens. On a disk: called where blocking is allowed.
pub trait Tokens: Send + Sync {
    /// Uses an operator's token once.
    ///
    /// # Errors
    /// Why it does not open, for people.
    fn admit(&self, token: &Token) -> Result<(), String>;

    /// True if the token of this id was taken back.
    fn is_revoked(&self, id: [u8; 8]) -> bool;
}

/// What a run is to be made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What to call the scenario.
    pub name: String,
    /// Its text.
    pub source: String,
    /// What goes before every URL that begins with `/`.
    pub base_url: Option<String>,
    /// Its variables.
    pub env: BTreeMap<String, String>,
}

/// A scenario that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Its file's name.
    pub name: &'static str,
    /// Its text.
    pub source: &'static str,
}

/// The page.
pub struct Page {
    pub(crate) version: String,
    pub(crate) names: Names,
    pub(crate) secure: bool,
    pub(crate) tokens: Option<Arc<dyn Tokens>>,
    pub(crate) backing: Arc<dyn Backing>,
    pub(crate) ask: Ask,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) attempts: Attempts,
    /// Places for event streams.
    pub(crate) streams: Arc<Semaphore>,
    /// True when everything is to end.
    pub(crate) closing: watch::Sender<bool>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("names", &self.names)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

impl Page {
    /// A page that asks this controller.
    ///
    /// # Errors
    /// The system gives no random bytes, which sessions are made of.
    pub fn new(
        settings: Settings,
        control: Arc<impl Control>,
    ) -> Result<Self, trust::token::NoRandomness> {
        Ok(Self {
            version: settings.version,
            names: Names::new(settings.names),
            secure: settings.secure,
            tokens: settings.tokens,
            backing: settings.backing,
            ask: Ask::new(control),
            limits: LIMITS,
            sessions: Sessions::new()?,
            attempts: Attempts::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            closing: watch::Sender::new(false),
        })
    }
}

/// Until everything is to end.
pub(crate) async fn closed(mut closing: watch::Receiver<bool>) {
    // An error means that the page is gone, which is the same word.
    let _ = closing.wait_for(|closing| *closing).await;
}
