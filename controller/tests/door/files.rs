//! Certificates from files, as cert-manager keeps them: roles by URI or unit, and files that change under a standing controller.

use crate::house::{DAY, Folder, House};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::path::PathBuf;
use std::sync::Arc;
use throng_controller::door::{Door, Gate};
use trust::dial;
use trust::keeper::Source;
use trust::{DialError, Keeper, Role, enrol};

/// An issuer of certificates that knows nothing of throng.
pub(crate) struct Office(Issuer<'static, KeyPair>, String);

impl Office {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    /// Writes `NAME.pem`, `NAME.key` and `ca.pem` into a folder.
    pub(crate) fn write(
        &self,
        folder: &Folder,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let mut params = CertificateParams::default();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        for (file, text) in [
            (format!("{name}.pem"), certificate.pem()),
            (format!("{name}.key"), key.serialize_pem()),
            ("ca.pem".to_owned(), self.1.clone()),
        ] {
            std::fs::write(folder.0.join(file), text).unwrap();
        }
    }
}

pub(crate) fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = match name.parse() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) if name.contains("://") => SanType::URI(name.try_into().unwrap()),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    };
    move |params| params.subject_alt_names.push(name)
}

fn unit(unit: &str) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        params.distinguished_name.push(DnType::CommonName, "ada");
    }
}

fn gate(folder: &Folder) -> Door {
    let file = |name: &str| folder.0.join(name);
    Door::Tls(Arc::new(
        Gate::files(
            &file("controller.pem"),
            &file("controller.key"),
            &file("ca.pem"),
        )
        .unwrap(),
    ))
}

fn keeper(house: &House, folder: &Folder, name: &str) -> Keeper {
    let file = |name: String| -> PathBuf { folder.0.join(name) };
    let source = Source::Files {
        authority: file("ca.pem".to_owned()),
        certificate: file(format!("{name}.pem")),
        key: file(format!("{name}.key")),
    };
    Keeper::new(house.url(), source)
}

async fn channel(house: &House, keeper: &Keeper) -> Result<tonic::transport::Channel, DialError> {
    let tls = keeper.tls().await?;
    dial::connect(dial::endpoint(&house.url())?, &house.url(), Some(tls)).await
}

async fn ask(house: &House, keeper: &Keeper) -> Result<usize, DialError> {
    crate::house::ask(channel(house, keeper).await?).await
}

#[tokio::test]
async fn roles_by_uri_or_unit_and_no_tokens() {
    let (folder, office) = (Folder::new(), Office::new());
    office.write(&folder, "controller", named("127.0.0.1"));
    office.write(&folder, "agent", named("throng://agent/red"));
    office.write(&folder, "operator", unit("throng-operator"));
    office.write(&folder, "nobody", unit("sales"));
    let house = House::with(gate(&folder)).await;

    let red = keeper(&house, &folder, "agent");
    let mut stream = crate::house::join(channel(&house, &red).await.unwrap())
        .await
        .unwrap();
    assert_eq!(stream.name, "red");
    stream.beat().await.unwrap();
    assert_eq!(
        ask(&house, &keeper(&house, &folder, "operator")).await,
        Ok(1)
    );
    assert!(matches!(
        ask(&house, &red).await,
        Err(DialError::Refused(_))
    ));
    assert!(
        ask(&house, &keeper(&house, &folder, "nobody"))
            .await
            .is_err()
    );

    let own = Folder::new();
    let token = House::token(&own, Role::Agent, Some(1), DAY);
    let told = enrol::enrol(&house.url(), &token, Role::Agent, "a")
        .await
        .unwrap_err();
    assert!(matches!(told, DialError::Untrusted(_)), "{told:?}");
    house.stop().await;
}

#[tokio::test]
async fn the_dialed_name_must_be_in_the_certificate() {
    let (folder, office) = (Folder::new(), Office::new());
    office.write(&folder, "controller", named("controller.shop.test"));
    office.write(&folder, "operator", unit("throng-operator"));
    let house = House::with(gate(&folder)).await;
    let told = ask(&house, &keeper(&house, &folder, "operator"))
        .await
        .unwrap_err();
    assert!(
        matches!(&told, DialError::Untrusted(why) if why.contains("another name")),
        "{told:?}"
    );
    house.stop().await;
}

#[tokio::test]
async fn files_that_change_count_for_the_next_connection() {
    let (folder, office) = (Folder::new(), Office::new());
    office.write(&folder, "controller", named("127.0.0.1"));
    office.write(&folder, "operator", unit("throng-operator"));
    let house = House::with(gate(&folder)).await;
    let operator = keeper(&house, &folder, "operator");
    let held = channel(&house, &operator).await.unwrap();
    assert_eq!(crate::house::ask(held.clone()).await, Ok(0));

    // Nonsense: the old one stays.
    std::fs::write(folder.0.join("controller.pem"), "half of a ").unwrap();
    assert_eq!(ask(&house, &operator).await, Ok(0));
    // All certificates and the CA itself are new.
    let office = Office::new();
    office.write(&folder, "controller", named("127.0.0.1"));
    office.write(&folder, "operator", unit("throng-operator"));
    assert_eq!(ask(&house, &operator).await, Ok(0));
    assert_eq!(
        crate::house::ask(held).await,
        Ok(0),
        "the connection that was there goes on"
    );
    house.stop().await;
}
