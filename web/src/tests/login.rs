//! Signing in, staying so, and being so no more.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::fake::{AGENTS, Asked, ON, OPERATORS, token};
use super::rig::{Rig, get, post, signed};
use crate::sessions::LIFE;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test]
async fn where_nobody_signs_in_everybody_is_the_page() {
    let rig = Rig::open();
    let session = rig.get("/api/session").await.json();
    let csrf = session["csrf"].as_str().unwrap();
    assert_eq!(csrf.len(), 64);
    assert_eq!(
        session,
        json!({ "signed_in": true, "who": "the web page", "login": false, "csrf": csrf, "version": "0.1.0" })
    );
    let login = rig.post("/api/login", r#"{"token":"x"}"#).await;
    assert_eq!(login.status, 200);
    assert_eq!(login.header("set-cookie"), "");
    assert_eq!(*rig.book.asked.lock().unwrap(), 0, "no token was used");
}

#[tokio::test]
async fn an_operators_token_opens_and_its_name_stands_in_what_is_done() {
    let rig = Rig::closed();
    let body = json!({ "token": format!(" {}\n", token(OPERATORS)), "name": "Ada L" });
    let answer = rig.post("/api/login", &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["signed_in"], true);
    assert_eq!(told["who"], "Ada-L");
    let line = answer.header("set-cookie");
    for part in [
        "throng_session=",
        "Path=/",
        "Max-Age=43200",
        "HttpOnly",
        "SameSite=Strict",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(
        !line.contains("Secure") && !line.contains("Domain"),
        "{line}"
    );
    let csrf = told["csrf"].as_str().unwrap().to_owned();
    assert_ne!(csrf, rig.page.sessions.csrf);
    assert!(!answer.cookie().contains(&csrf));

    let cookie = format!("theme=dark; {}; other=1", answer.cookie());
    let session = rig.send(signed(get("/api/session"), &cookie)).await.json();
    assert_eq!(session["who"], "Ada-L");
    assert_eq!(session["csrf"], csrf.as_str());
    let pause = format!("/api/runs/{ON}/pause");
    let done = rig.send(signed(post(&pause, "{}", &csrf), &cookie)).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let asked = rig.fake.asked();
    let [Asked::Change(change)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(change.who, "Ada-L");
    // The secret of those who are not signed in is not his.
    let other = post(&pause, "{}", &rig.page.sessions.csrf);
    assert_eq!(rig.send(signed(other, &cookie)).await.status, 403);
    // And the secret without the cookie is nobody's.
    assert_eq!(rig.send(post(&pause, "{}", &csrf)).await.status, 401);
}

#[tokio::test]
async fn who_names_nobody_is_called_by_his_token() {
    let rig = Rig::closed();
    let (cookie, _) = rig.sign_in(&token(OPERATORS), "").await;
    let session = rig.send(signed(get("/api/session"), &cookie)).await.json();
    assert_eq!(session["who"], "operator-01010101");
}

#[tokio::test]
async fn over_tls_the_cookie_is_for_tls_and_this_host_only() {
    let rig = Rig::secure();
    let body = json!({ "token": token(OPERATORS) }).to_string();
    let answer = rig.post("/api/login", &body).await;
    let line = answer.header("set-cookie");
    assert!(line.starts_with("__Host-throng_session="), "{line}");
    assert!(line.ends_with("; Secure"), "{line}");
    assert_eq!(
        rig.send(signed(get("/api/runs"), &answer.cookie()))
            .await
            .status,
        200
    );
    let bare = answer.cookie().replace("__Host-", "");
    assert_eq!(rig.send(signed(get("/api/runs"), &bare)).await.status, 401);
}

#[tokio::test]
async fn tokens_that_do_not_open() {
    let rig = Rig::closed();
    let table = [
        (token(AGENTS), "is for an agent"),
        (token(3), "no such token"),
        ("hunter2".to_owned(), "is no join token"),
        (token(OPERATORS)[..50].to_owned(), "is damaged"),
    ];
    for (token, why) in table {
        let body = json!({ "token": token }).to_string();
        let answer = rig.post("/api/login", &body).await;
        assert_eq!(answer.status, 401, "{why}");
        assert_eq!(answer.header("set-cookie"), "");
        let told = answer.json()["error"].to_string();
        assert!(told.contains(why), "{told}");
    }
    for cookie in ["throng_session=", "throng_session=0000", "throng_session"] {
        let answer = rig.send(signed(get("/api/runs"), cookie)).await;
        assert_eq!(answer.status, 401, "{cookie}");
    }
}

#[tokio::test(start_paused = true)]
async fn trying_on_is_bounded() {
    let rig = Rig::closed();
    let body = json!({ "token": token(3) }).to_string();
    for _ in 0..10 {
        assert_eq!(rig.post("/api/login", &body).await.status, 401);
    }
    let good = json!({ "token": token(OPERATORS) }).to_string();
    let answer = rig.post("/api/login", &good).await;
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(*rig.book.asked.lock().unwrap(), 10, "the disk was spared");
    tokio::time::advance(Duration::from_secs(wait)).await;
    assert_eq!(rig.post("/api/login", &good).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_half_a_day() {
    let rig = Rig::closed();
    let (cookie, csrf) = rig.sign_in(&token(OPERATORS), "ada").await;
    tokio::time::advance(LIFE - Duration::from_secs(1)).await;
    assert_eq!(
        rig.send(signed(get("/api/runs"), &cookie)).await.status,
        200
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(
        rig.send(signed(get("/api/runs"), &cookie)).await.status,
        401
    );
    let stop = post(
        &format!("/api/runs/{ON}/stop"),
        r#"{"mode":"interrupt"}"#,
        &csrf,
    );
    assert_eq!(rig.send(signed(stop, &cookie)).await.status, 401);
    let session = rig.send(signed(get("/api/session"), &cookie)).await;
    assert_eq!(session.json()["signed_in"], false);
    // With what it is told now it signs in again.
    let (again, _) = rig.sign_in(&token(OPERATORS), "ada").await;
    assert_eq!(rig.send(signed(get("/api/runs"), &again)).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_by_signing_out() {
    let rig = Rig::closed();
    let (first, csrf) = rig.sign_in(&token(OPERATORS), "ada").await;
    let out = post("/api/logout", "{}", &rig.page.sessions.csrf);
    assert_eq!(
        rig.send(signed(out, &first)).await.status,
        403,
        "not by others"
    );
    let out = post("/api/logout", "{}", &csrf);
    let answer = rig.send(signed(out, &first)).await;
    assert_eq!(answer.json()["signed_in"], false);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(rig.send(signed(get("/api/runs"), &first)).await.status, 401);

    let (second, _) = rig.sign_in(&token(OPERATORS), "ada").await;
    rig.book.revoked.store(true, Ordering::Relaxed);
    assert_eq!(
        rig.send(signed(get("/api/runs"), &second)).await.status,
        401
    );
    rig.book.revoked.store(false, Ordering::Relaxed);
    assert_eq!(
        rig.send(signed(get("/api/runs"), &second)).await.status,
        401,
        "what is over stays over"
    );
}

#[tokio::test]
async fn signing_in_anew_makes_a_new_session_and_ends_the_old() {
    let rig = Rig::closed();
    let (first, csrf) = rig.sign_in(&token(OPERATORS), "ada").await;
    let body = json!({ "token": token(OPERATORS), "name": "bob" }).to_string();
    let answer = rig
        .send(signed(post("/api/login", &body, &csrf), &first))
        .await;
    assert_eq!(answer.json()["who"], "bob");
    assert_ne!(answer.cookie(), first);
    assert_eq!(rig.send(signed(get("/api/runs"), &first)).await.status, 401);
    assert_eq!(
        rig.send(signed(get("/api/runs"), &answer.cookie()))
            .await
            .status,
        200
    );
    // A cookie that somebody else put there is not taken over.
    let planted = "throng_session=1234";
    let body = json!({ "token": token(OPERATORS) }).to_string();
    let login = post("/api/login", &body, &rig.page.sessions.csrf);
    let answer = rig.send(signed(login, planted)).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.cookie(), planted);
    assert_eq!(
        rig.send(signed(get("/api/runs"), planted)).await.status,
        401
    );
}
