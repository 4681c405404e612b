//! Peers that speak wrongly, too much, or not at all.

use crate::house::{DAY, Folder, House, PATIENCE, message};
use proto::v1::door_client::DoorClient;
use proto::v1::{EnrolRequest, Interval, from_agent};
use throng_controller::door::{Authority, Door};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trust::dial::{self, Tls};
use trust::{DialError, Role, Roots, enrol, tls};

/// Bytes from a fixed sequence: each test is the same each time.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn clear_text_and_tls_that_miss_each_other_say_so() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let clear = house.clear_url();
    let told = match dial::connect(dial::endpoint(&clear).unwrap(), &clear, None).await {
        Ok(channel) => crate::house::ask(channel).await.unwrap_err(),
        Err(told) => told,
    };
    assert_eq!(told, DialError::PeerSpeaksTls);

    let open = House::with(Door::Open).await;
    let token = House::token(&folder, Role::Agent, Some(1), DAY);
    let told = enrol::enrol(&open.url(), &token, Role::Agent, "a")
        .await
        .unwrap_err();
    assert!(matches!(&told, DialError::PeerSpeaksClearText), "{told:?}");
    // And in clear text the open one answers as ever, but takes no tokens.
    let channel = dial::connect(
        dial::endpoint(&open.clear_url()).unwrap(),
        &open.clear_url(),
        None,
    )
    .await
    .unwrap();
    assert_eq!(crate::house::ask(channel.clone()).await, Ok(0));
    let request = EnrolRequest {
        protocol: proto::PROTOCOL,
        ..EnrolRequest::default()
    };
    let told = DoorClient::new(channel).enrol(request).await.unwrap_err();
    assert_eq!(told.code(), tonic::Code::FailedPrecondition);
    house.stop().await;
    open.stop().await;
}

#[tokio::test]
async fn any_bytes_at_the_door_are_turned_away_and_others_come_in() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let token = House::token(&folder, Role::Agent, Some(1), DAY);
    let given = enrol::enrol(&house.url(), &token, Role::Agent, "a")
        .await
        .unwrap()
        .credentials;
    let mut stream = house.join(&given).await.unwrap();
    // Idle ones stay open meanwhile.
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(TcpStream::connect(house.address).await.unwrap());
    }
    for seed in 0..40 {
        let mut bytes = noise(300, seed);
        match seed % 4 {
            // What looks like the beginning of a handshake, and is none.
            0 => bytes[..3].copy_from_slice(&[22, 3, 1]),
            1 => bytes[..14].copy_from_slice(b"GET / HTTP/1.1"),
            2 => bytes.truncate(1),
            _ => {}
        }
        let mut peer = TcpStream::connect(house.address).await.unwrap();
        peer.write_all(&bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = tokio::time::timeout(PATIENCE, peer.read_to_end(&mut answer))
            .await
            .unwrap();
        assert!(answer.len() < 100, "an alert at most: {answer:?}");
    }
    stream.beat().await.unwrap();
    house.join(&given).await.unwrap();
    drop(idle);
    house.stop().await;
}

#[tokio::test]
async fn one_address_cannot_keep_others_out() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let mut idle = Vec::new();
    // As many as one address may have, and more.
    for _ in 0..300 {
        idle.push(TcpStream::connect(house.address).await.unwrap());
    }
    // Those beyond the limit were closed at once.
    let closed = async {
        let mut closed = 0;
        for peer in idle.iter_mut().skip(256) {
            if peer.read(&mut [0; 1]).await.map_or(true, |read| read == 0) {
                closed += 1;
            }
        }
        closed
    };
    assert_eq!(tokio::time::timeout(PATIENCE, closed).await.unwrap(), 44);
    // When they go, there is room again.
    drop(idle);
    let token = House::token(&folder, Role::Agent, None, DAY);
    let enrolled = async {
        while enrol::enrol(&house.url(), &token, Role::Agent, "a")
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, enrolled).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn too_large_is_refused_from_strangers_and_from_agents() {
    let folder = Folder::new();
    let house = House::own(&folder, DAY).await;
    let roots = Roots::Own(Authority::open(&folder.0).unwrap().certificate().clone());
    let tls = Tls::new(tls::client(&roots, None).unwrap(), &roots, &house.url()).unwrap();
    let endpoint = dial::endpoint(&house.url()).unwrap();
    let channel = dial::connect(endpoint, &house.url(), Some(tls))
        .await
        .unwrap();
    let enrol = async |request| {
        DoorClient::new(channel.clone())
            .enrol(request)
            .await
            .unwrap_err()
    };
    let large = EnrolRequest {
        protocol: proto::PROTOCOL,
        name: "x".repeat(1 << 20),
        ..EnrolRequest::default()
    };
    assert_eq!(enrol(large).await.code(), tonic::Code::OutOfRange);
    for request in [vec![], noise(200, 1), noise(10_000, 2)] {
        let bad = EnrolRequest {
            protocol: proto::PROTOCOL,
            role: proto::v1::PeerRole::RoleAgent.into(),
            request,
            ..EnrolRequest::default()
        };
        assert_eq!(enrol(bad).await.code(), tonic::Code::InvalidArgument);
    }

    let token = House::token(&folder, Role::Agent, Some(1), DAY);
    let given = enrol::enrol(&house.url(), &token, Role::Agent, "a")
        .await
        .unwrap()
        .credentials;
    let mut stream = house.join(&given).await.unwrap();
    let interval = Interval {
        run: "x".repeat(proto::MAX_MESSAGE + 1),
        ..Interval::default()
    };
    stream
        .outgoing
        .send(message(from_agent::Message::Interval(interval)))
        .await
        .unwrap();
    let ended = async { while let Ok(Some(_)) = stream.incoming.message().await {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    // It lost its stream; nobody else lost anything.
    house.join(&given).await.unwrap().beat().await.unwrap();
    house.stop().await;
}
