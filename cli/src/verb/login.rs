//! `throng login`: trades an operator's join token for credentials, which this user's other verbs then use.

use crate::args::Remote;
use crate::error::Error;
use crate::places;

/// `throng login`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) remote: Remote,
}

const EXAMPLES: &str = "\
Examples:
  On the controller's host:
    throng token create --role operator > token
  And where you work:
    throng login --controller https://THAT-HOST:7437 --join-file token

A token that is given to any other verb does the same. The certificate is kept for this user only, is renewed when it is used,
and expires when it is not (a day, unless the controller says otherwise).";

/// Enrols, asks the controller something, and says where the credentials are.
///
/// # Errors
/// `Flags`, `Door`, `Unreachable`.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let address = args.remote.access.address(&args.remote.controller)?;
    if !address.is_tls() {
        return Err(Error::flags(
            format!(
                "--controller {}: a controller in clear text asks for no login",
                address.url()
            ),
            "leave it out; the other verbs work as they are",
        ));
    }
    let mut control = args.remote.connect().await?;
    let agents = control.agents().await?.agents.len();
    match places::credentials(&address) {
        Some(file) => println!(
            "logged in at {} ({agents} agents); the certificate is in {}",
            address.url(),
            file.display()
        ),
        None => println!(
            "the token is good at {} ({agents} agents), but there is nowhere to keep a certificate: neither HOME nor XDG_CONFIG_HOME names a folder",
            address.url()
        ),
    }
    Ok(0)
}
