//! Tokens and roles: what a token gives, and which ones give nothing.

use crate::house::{DAY, Folder, House};
use std::time::Duration;
use throng_controller::door::{Authority, Books};
use trust::token::hex;
use trust::{DialError, Role, enrol};

fn refused(result: Result<impl Sized, DialError>) -> String {
    match result {
        Err(DialError::Refused(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it came in"),
    }
}

#[tokio::test]
async fn an_agent_joins_the_fleet_and_an_operator_asks_and_neither_does_the_others_part() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let token = House::token(&folder, Role::Agent, Some(1), DAY);
    let agent = enrol::enrol(&house.url(), &token, Role::Agent, "paris 1")
        .await
        .unwrap();
    assert_eq!(
        (agent.identity.role, agent.identity.name.as_str()),
        (Role::Agent, "paris-1")
    );
    assert_eq!(agent.lifetime, DAY);
    let token = House::token(&folder, Role::Operator, Some(1), DAY);
    let operator = enrol::enrol(&house.url(), &token, Role::Operator, "ada")
        .await
        .unwrap();

    let mut stream = house.join(&agent.credentials).await.unwrap();
    assert_eq!(
        stream.name, "paris-1",
        "by its certificate, not by what it says"
    );
    stream.beat().await.unwrap();
    assert_eq!(house.ask(&operator.credentials).await, Ok(1));

    let why = refused(house.ask(&agent.credentials).await);
    assert!(
        why.contains("paris-1 is an agent's, and only an operator"),
        "{why}"
    );
    let why = refused(house.join(&operator.credentials).await);
    assert!(
        why.contains("ada is an operator's, and only an agent"),
        "{why}"
    );
    stream.beat().await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn tokens_that_give_nothing() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let url = house.url();
    let enrol = async |token, role| enrol::enrol(&url, token, role, "a").await;

    let good = House::token(&folder, Role::Agent, Some(1), DAY);
    let mut wrong = good.clone();
    wrong.secret[0] ^= 1;
    assert!(refused(enrol(&wrong, Role::Agent).await).contains("knows no such join token"));
    let mut unknown = good.clone();
    unknown.id[0] ^= 1;
    assert!(refused(enrol(&unknown, Role::Agent).await).contains("knows no such join token"));
    assert!(refused(enrol(&good, Role::Operator).await).contains("is for an agent"));
    let expired = House::token(&folder, Role::Agent, None, Duration::ZERO);
    assert!(refused(enrol(&expired, Role::Agent).await).contains("has expired"));
    // None of these used it up.
    enrol(&good, Role::Agent).await.unwrap();
    assert!(refused(enrol(&good, Role::Agent).await).contains("used as often as it may be (1×)"));
    let twice = House::token(&folder, Role::Agent, Some(2), DAY);
    for _ in 0..2 {
        enrol(&twice, Role::Agent).await.unwrap();
    }
    refused(enrol(&twice, Role::Agent).await);
    let any = House::token(&folder, Role::Agent, None, DAY);
    for _ in 0..5 {
        enrol(&any, Role::Agent).await.unwrap();
    }
    house.stop().await;

    // Its uses are not forgotten when the controller is.
    let again = House::own(&folder, DAY).await;
    let replayed = enrol::enrol(&again.url(), &good, Role::Agent, "a").await;
    assert!(refused(replayed).contains("used as often"));
    again.stop().await;
}

#[tokio::test]
async fn a_revoked_token_shuts_out_those_who_came_with_it() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let token = House::token(&folder, Role::Operator, None, DAY);
    let given = enrol::enrol(&house.url(), &token, Role::Operator, "ada")
        .await
        .unwrap();
    assert_eq!(house.ask(&given.credentials).await, Ok(0));
    assert_eq!(
        Books::new(&folder.0).revoke(&hex(&token.id)).unwrap().len(),
        1
    );
    assert!(refused(house.ask(&given.credentials).await).contains("was revoked"));
    let renewed = enrol::renew(&house.url(), &given.credentials).await;
    assert!(refused(renewed).contains("was revoked"));
    let again = enrol::enrol(&house.url(), &token, Role::Operator, "ada").await;
    assert!(refused(again).contains("was revoked"));

    // And a stream that is open is cut, while others go on.
    let tokens = [(); 2].map(|()| House::token(&folder, Role::Agent, None, DAY));
    let mut streams = Vec::new();
    for token in &tokens {
        let given = enrol::enrol(&house.url(), token, Role::Agent, "a")
            .await
            .unwrap();
        let mut stream = house.join(&given.credentials).await.unwrap();
        stream.beat().await.unwrap();
        streams.push(stream);
    }
    Books::new(&folder.0).revoke(&hex(&tokens[0].id)).unwrap();
    let cut = async {
        while streams[0].beat().await.is_ok() {
            streams[1].beat().await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::house::PATIENCE, cut)
        .await
        .unwrap();
    streams[1].beat().await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn a_controller_of_another_ca_is_not_believed_and_gets_no_secret() {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let token = House::token(&ours, Role::Agent, Some(1), DAY);
    // It would know the token's secret if it were told: its book is a copy.
    Authority::open(&theirs.0).unwrap();
    std::fs::copy(ours.0.join("tokens.json"), theirs.0.join("tokens.json")).unwrap();
    let impostor = House::own(&theirs, DAY).await;
    let told = enrol::enrol(&impostor.url(), &token, Role::Agent, "a")
        .await
        .unwrap_err();
    assert!(
        matches!(&told, DialError::Untrusted(why) if why.contains("another CA")),
        "{told:?}"
    );
    assert_eq!(Books::new(&theirs.0).list().unwrap()[0].used, 0);
    impostor.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_ca_opens_nothing() {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let (house, other) = (House::own(&ours, DAY).await, House::own(&theirs, DAY).await);
    let token = House::token(&theirs, Role::Operator, Some(1), DAY);
    let mut foreign = enrol::enrol(&other.url(), &token, Role::Operator, "eve")
        .await
        .unwrap()
        .credentials;
    // It believes our controller, so that only our controller's judgement is left.
    foreign.roots = trust::Roots::Own(Authority::open(&ours.0).unwrap().certificate().clone());
    let told = house.ask(&foreign).await.unwrap_err();
    assert!(
        matches!(&told, DialError::Rejected(why) if why.contains("another CA")),
        "{told:?}"
    );
    house.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn without_a_certificate_there_is_only_the_office() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let roots = trust::Roots::Own(Authority::open(&folder.0).unwrap().certificate().clone());
    let config = trust::tls::client(&roots, None).unwrap();
    let tls = trust::dial::Tls::new(config, &roots, &house.url()).unwrap();
    let endpoint = trust::dial::endpoint(&house.url()).unwrap();
    let channel = trust::dial::connect(endpoint, &house.url(), Some(tls))
        .await
        .unwrap();
    assert!(refused(crate::house::ask(channel.clone()).await).contains("no certificate was shown"));
    assert!(
        refused(crate::house::join(channel.clone()).await).contains("no certificate was shown")
    );
    let renewal = proto::v1::door_client::DoorClient::new(channel)
        .renew(proto::v1::RenewRequest::default())
        .await;
    assert_eq!(renewal.unwrap_err().code(), tonic::Code::Unauthenticated);
    house.stop().await;
}
