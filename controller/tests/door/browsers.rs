//! The controller's certificate as browsers see it: without being asked for one of their own.

use crate::files::{Office, named};
use crate::house::{DAY, Folder};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use throng_controller::door::{Authority, Gate};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use trust::tls::{Roots, client};

/// What came of a handshake: the protocol that was chosen, and how many certificates the browser showed.
async fn shaken(
    gate: &Gate,
    authority: &CertificateDer<'static>,
    name: &str,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<(Vec<u8>, usize), String> {
    let config = client(&Roots::Given(vec![authority.clone()]), own).unwrap();
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (here, there) = tokio::io::duplex(16 << 10);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let dialing = TlsConnector::from(Arc::new(config)).connect(name, here);
    let accepting = TlsAcceptor::from(gate.browsers().unwrap()).accept(there);
    let (dialed, accepted) = tokio::join!(dialing, accepting);
    let dialed = dialed.map_err(|error| error.to_string())?;
    let accepted = accepted.map_err(|error| error.to_string())?;
    let protocol = dialed.get_ref().1.alpn_protocol().unwrap_or_default();
    let shown = accepted.get_ref().1.peer_certificates();
    Ok((protocol.to_vec(), shown.map_or(0, <[_]>::len)))
}

#[tokio::test]
async fn a_browser_is_asked_for_no_certificate_and_speaks_http_1() {
    let folder = Folder::new();
    let authority = Authority::open(&folder.0).unwrap();
    let root = authority.certificate().clone();
    // Somebody who has a certificate of this very CA: it is not asked for, so it opens nothing.
    let own = authority.controller(&["me".to_owned()], DAY).unwrap();
    let gate = Gate::own(authority, vec!["ctl".to_owned()], DAY).unwrap();
    let wanted = Ok((b"http/1.1".to_vec(), 0));
    for name in ["ctl", "localhost"] {
        assert_eq!(shaken(&gate, &root, name, None).await, wanted, "{name}");
    }
    assert_eq!(shaken(&gate, &root, "ctl", Some(own)).await, wanted);
    let other = shaken(&gate, &root, "evil.test", None).await.unwrap_err();
    assert!(other.contains("not valid for name"), "{other}");
}

#[tokio::test]
async fn a_certificate_from_files_is_shown_to_browsers_too() {
    let folder = Folder::new();
    Office::new().write(&folder, "own", named("ctl"));
    let file = |name: &str| folder.0.join(name);
    let root = std::fs::read(file("ca.pem")).unwrap();
    let root = trust::files::certificates(&root).unwrap().remove(0);
    let gate = Gate::files(&file("own.pem"), &file("own.key"), &file("ca.pem")).unwrap();
    assert_eq!(
        shaken(&gate, &root, "ctl", None).await,
        Ok((b"http/1.1".to_vec(), 0))
    );
}
