//! Secrets on disk: files that only their owner may read (0600, in folders of 0700), written whole or not at all; credentials as PEM.

use crate::tls::{Credentials, Roots};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

/// Makes a folder, and those above it, that only its owner may enter.
///
/// # Errors
/// The system's.
pub fn folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Writes a file that only its owner may read: beside the old one, synced, then in its place.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    // Left by a process of the same number that died here.
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::File::open(parent)?.sync_all(),
        _ => fs::File::open(".")?.sync_all(),
    }
}

/// By which a file that was written anew is told from what it was before: which file it is, its length, and when it was changed. The
/// time alone would not do, for two changes within one tick of the system's clock have the same.
pub type Stamp = (u64, u64, SystemTime);

/// A file's stamp now; `None` if there is no such file.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.modified().ok()?))
}

/// Reads a file that holds a secret; one that anybody may read, or others may write, is an error, for it is a secret no more. Its group
/// may read it: Kubernetes mounts secrets so.
///
/// # Errors
/// The system's, or `PermissionDenied` with what to do.
pub fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o027 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "everybody may read it, or others write it (mode {:03o}); make it 600",
                mode & 0o777
            ),
        ));
    }
    fs::read(path)
}

/// PEM (RFC 7468) of one thing.
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn bad(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

/// All certificates in a PEM text; at least one.
///
/// # Errors
/// `InvalidData`.
pub fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(bad)?;
    if all.is_empty() {
        return Err(bad("there is no certificate in it"));
    }
    Ok(all)
}

/// The private key in a PEM text.
///
/// # Errors
/// `InvalidData`.
pub fn private_key(pem: &[u8]) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => bad("there is no private key in it"),
        other => bad(other),
    })
}

/// Writes what an enrolment gave as one file: the key, its certificate, the CA's.
///
/// # Errors
/// The system's.
pub fn save(path: &Path, credentials: &Credentials) -> io::Result<()> {
    let Roots::Own(authority) = &credentials.roots else {
        return Err(bad("these credentials have their own files"));
    };
    let mut text = pem("PRIVATE KEY", credentials.key.secret_der());
    for certificate in credentials.chain.iter().chain([authority]) {
        text.push_str(&pem("CERTIFICATE", certificate));
    }
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    write(path, text.as_bytes())
}

/// Reads what [`save`] wrote; `None` if there is nothing.
///
/// # Errors
/// It cannot be read, or is not what was written, or others may read it.
pub fn load(path: &Path) -> io::Result<Option<Credentials>> {
    let text = match read_secret(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut chain = certificates(&text)?;
    let key = private_key(&text)?;
    match chain.pop() {
        Some(authority) if !chain.is_empty() => Ok(Some(Credentials {
            chain,
            key,
            roots: Roots::Own(authority),
        })),
        _ => Err(bad("there is no CA certificate in it")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn credentials_come_back_and_only_their_owner_may_read_them() {
        let folder = std::env::temp_dir().join(format!("throng-files-{}", std::process::id()));
        let path = folder.join("inner/credentials.pem");
        assert!(load(&path).unwrap().is_none());
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let credentials = Credentials {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            roots: Roots::Own(certificate.der().clone()),
        };
        for _ in 0..2 {
            save(&path, &credentials).unwrap();
        }
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let inner = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(inner.permissions().mode() & 0o777, 0o700);
        let back = load(&path).unwrap().unwrap();
        assert_eq!(back.chain, credentials.chain);
        assert_eq!(back.key, credentials.key);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load(&path).unwrap().is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let told = load(&path).unwrap_err().to_string();
        assert!(told.contains("mode 644"), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "nothing").unwrap();
        assert!(load(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
