//! Certificates that last a few seconds, and what outlasts them.

use crate::house::{DAY, Folder, House, PATIENCE};
use std::time::Duration;
use trust::keeper::Source;
use trust::{DialError, Keeper, Role, enrol};

const SHORT: Duration = Duration::from_secs(4);

#[tokio::test]
async fn an_expired_certificate_opens_nothing_but_a_stream_that_is_there_goes_on() {
    let folder = Folder::new();
    let house = House::own(&folder, SHORT).await;
    let token = House::token(&folder, Role::Agent, Some(1), DAY);
    let given = enrol::enrol(&house.url(), &token, Role::Agent, "a")
        .await
        .unwrap()
        .credentials;
    let mut stream = house.join(&given).await.unwrap();
    let expired = async {
        loop {
            stream.beat().await.unwrap();
            if let Err(told) = house.ask(&given).await
                && matches!(told, DialError::Rejected(_))
            {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, expired).await.unwrap();
    assert!(told.to_string().contains("it has expired"), "{told}");
    assert!(matches!(
        enrol::renew(&house.url(), &given).await,
        Err(DialError::Rejected(_))
    ));
    stream.beat().await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn a_keeper_renews_in_time_keeps_its_identity_and_remembers_on_disk() {
    let folder = Folder::new();
    let house = House::own(&folder, SHORT).await;
    let token = House::token(&folder, Role::Agent, Some(1), DAY);
    let file = folder.0.join("agent/credentials.pem");
    let source = |token| Source::Join {
        token,
        role: Role::Agent,
        name: "a".to_owned(),
        file: Some(file.clone()),
    };
    let keeper = Keeper::new(house.url(), source(Some(token)));
    let connect = async |keeper: &Keeper| {
        let tls = keeper.tls().await?;
        let endpoint = trust::dial::endpoint(&house.url())?;
        crate::house::join(trust::dial::connect(endpoint, &house.url(), Some(tls)).await?).await
    };
    let mut first = connect(&keeper).await.unwrap();
    let who = keeper.identity().unwrap();
    let born = std::fs::read(&file).unwrap();
    let lived = async {
        // Longer than the first certificate holds: without renewal, it would be refused by then.
        let mut renewals = 0;
        let (mut seen, mut beats) = (
            born.clone(),
            tokio::time::interval(Duration::from_millis(100)),
        );
        while renewals < 2 {
            beats.tick().await;
            first.beat().await.unwrap();
            let now = std::fs::read(&file).unwrap();
            if now != seen {
                seen = now;
                renewals += 1;
                connect(&keeper).await.unwrap();
            }
        }
    };
    tokio::select! {
        () = keeper.renew_for_ever() => panic!("it ended"),
        lived = tokio::time::timeout(PATIENCE, lived) => lived.unwrap(),
    }
    assert_eq!(
        keeper.identity(),
        Some(who.clone()),
        "another certificate, the same agent"
    );

    // A process that begins again needs no token, while what it kept holds.
    let later = Keeper::new(house.url(), source(None));
    connect(&later).await.unwrap();
    assert_eq!(later.identity(), Some(who));
    // And one that kept nothing needs one.
    std::fs::remove_file(&file).unwrap();
    let empty = Keeper::new(house.url(), source(None));
    let told = connect(&empty).await.err().unwrap();
    assert!(told.to_string().contains("it takes a join token"), "{told}");
    house.stop().await;
}
