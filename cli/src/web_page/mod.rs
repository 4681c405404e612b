//! `--web`: the web page of a controller in this process. Where it is, and how it is secured: TLS on anything but the loopback, and a
//! login where the controller's own door asks who comes.

mod backing;
mod book;

use crate::access::TlsFiles;
use crate::args;
use crate::error::Error;
use crate::serving::Serving;
use backing::Rooms;
use book::Book;
use controller::service_control::ControlService;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use web::{Face, Page, Settings, Tokens};

/// Under which help lists these flags.
pub(crate) const HEADING: &str = "Web page (docs/web.md)";

/// Where the page is. No doc comment of its own: clap would take it for the help of a verb.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    /// Serve the web page here. Beyond this host it speaks TLS and asks for an operator's token
    #[arg(long, env = "THRONG_WEB", value_name = "ADDR", value_parser = args::web, help_heading = HEADING)]
    pub(crate) web: Option<SocketAddr>,
    /// A host name by which browsers call the page, beside localhost and addresses; repeat it. Others are turned away
    #[arg(
        long = "web-name",
        env = "THRONG_WEB_NAME",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = HEADING
    )]
    pub(crate) names: Vec<String>,
}

/// Whether whoever is on this host may do what an operator may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbours {
    /// As a controller on the loopback has it.
    Trusted,
    /// They show certificates elsewhere, so here they sign in.
    SignIn,
}

/// A page that listens, and answers when it has a controller.
pub(crate) struct WebPage {
    listener: TcpListener,
    face: Face,
    settings: Settings,
    url: String,
}

impl std::fmt::Debug for WebPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebPage")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Flags {
    /// The page that was asked for.
    ///
    /// # Errors
    /// `Listen`, `Flags`, `State`.
    pub(crate) async fn open(
        &self,
        serving: &Serving,
        files: &TlsFiles,
        neighbours: Neighbours,
    ) -> Result<Option<WebPage>, Error> {
        match self.web {
            Some(address) => self.at(address, serving, files, neighbours).await.map(Some),
            None => Ok(None),
        }
    }

    /// The page that was asked for, or else one at the usual address. That one may be impossible: then there is none, aloud.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub(crate) async fn open_or_usual(
        &self,
        serving: &Serving,
        files: &TlsFiles,
        neighbours: Neighbours,
    ) -> Result<Option<WebPage>, Error> {
        if self.web.is_some() {
            return self.open(serving, files, neighbours).await;
        }
        let usual = (Ipv4Addr::LOCALHOST, web::PORT).into();
        match self.at(usual, serving, files, neighbours).await {
            Ok(page) => Ok(Some(page)),
            Err(error) => {
                tracing::warn!(
                    "no web page: {error} (--web ADDR names another address, --no-web leaves it out)"
                );
                Ok(None)
            }
        }
    }

    async fn at(
        &self,
        address: SocketAddr,
        serving: &Serving,
        files: &TlsFiles,
        neighbours: Neighbours,
    ) -> Result<WebPage, Error> {
        let listener = crate::embedded::listen(address, "--web").await?;
        let address = listener.local_addr().unwrap_or(address);
        let beyond = !address.ip().is_loopback();
        let secure = (beyond || serving.tls) && !files.insecure;
        // A name is for those who come through a proxy, whose end on this host says nothing about them.
        let named = !self.names.is_empty();
        let login = beyond || secure || named || neighbours == Neighbours::SignIn;
        if beyond && !secure {
            tracing::warn!(%address, "--insecure: the web page is in clear text: whoever is on the way reads operators' tokens and does what they may (docs/security.md)");
        }
        let face = if secure {
            let gate = serving.gate(address, &self.names, files)?;
            let first = gate.browsers().map_err(crate::serving::trouble)?;
            Face::Tls(Arc::new(move || {
                gate.browsers().unwrap_or_else(|error| {
                    tracing::error!("the web page keeps its old certificate: {error}");
                    Arc::clone(&first)
                })
            }))
        } else {
            Face::Clear
        };
        let tokens = if login {
            let book: Arc<dyn Tokens> = Arc::new(Book(serving.authority()?.books()));
            Some(book)
        } else {
            None
        };
        let scheme = if secure { "https" } else { "http" };
        Ok(WebPage {
            url: format!("{scheme}://{}/", self.shown(address)),
            listener,
            face,
            settings: Settings {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                names: self.names.clone(),
                secure,
                tokens,
                backing: Arc::new(Rooms),
            },
        })
    }

    /// How to call it: by its name, if it has one.
    fn shown(&self, address: SocketAddr) -> String {
        match self.names.first() {
            Some(name) => format!("{name}:{}", address.port()),
            None => crate::embedded::reachable(address).to_string(),
        }
    }
}

impl WebPage {
    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Serves it, from when its controller is there.
    pub(crate) fn serve(self, control: oneshot::Receiver<Arc<ControlService>>) -> Served {
        let (stop, mut told) = watch::channel(false);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // The controller ended before it began.
            let Ok(control) = control.await else { return };
            let page = match Page::new(self.settings, control) {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!("no web page: {error}");
                    return;
                }
            };
            web::serve(self.listener, self.face, page, async move {
                // An error means that the other end is gone, which is the same word.
                let _ = told.wait_for(|stop| *stop).await;
            })
            .await;
        });
        Served { stop, serving }
    }
}

/// A page that is served; aborted when dropped.
#[derive(Debug)]
pub(crate) struct Served {
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
}

impl Served {
    /// Ends it: streams end, what is being answered has a second.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.serving.join_next().await.is_some() {}
    }
}
