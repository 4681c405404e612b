//! A VU's cookies.

use super::doors::Book;
use super::server::{Act, ok, response, serve};
use super::*;

fn setting(cookies: &str) -> Act {
    Act::Answer(response("200 OK", cookies, ""))
}

fn sent(request: &str) -> Option<Vec<String>> {
    let line = request
        .lines()
        .find_map(|line| line.strip_prefix("cookie: "))?;
    let mut pairs: Vec<String> = line.split("; ").map(str::to_owned).collect();
    pairs.sort_unstable();
    Some(pairs)
}

#[test]
fn cookies_are_kept_sent_merged_and_forgotten() {
    on_worker(async {
        let set = "set-cookie: a=1; Path=/\r\nset-cookie: b=2; Path=/only/here\r\nset-cookie: c=3; Secure\r\nset-cookie: d=4; Domain=foreign.test\r\n";
        let again = "set-cookie: a=9; Path=/\r\nset-cookie: b=; Path=/only/here; Max-Age=0\r\n";
        let answers = [
            setting(set),
            Act::Answer(ok("")),
            Act::Answer(ok("")),
            setting(again),
            Act::Answer(ok("")),
            Act::Answer(ok("")),
        ];
        let server = serve(vec![answers.to_vec()]).await;
        // Not by its address: cookies of loopback are sent as if it were https.
        let mut client = client(|options| options.resolve = Book::new(&["127.0.0.1"]));
        let url = |path: &str| format!("http://shop.test:{}{path}", server.port);
        client.send(get(&url("/"))).await;
        client.send(get(&url("/"))).await;
        client
            .send(with_header(
                get(&url("/only/here")),
                "cookie",
                "a=mine; x=7",
            ))
            .await;
        client.send(get(&url("/"))).await;
        client.send(get(&url("/only/here"))).await;
        client.reset_cookies();
        client.send(get(&url("/"))).await;
        let sent: Vec<_> = server
            .requests()
            .iter()
            .map(|request| sent(request))
            .collect();
        let line = |pairs: &[&str]| {
            Some(
                pairs
                    .iter()
                    .map(|&pair| pair.to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            sent,
            [
                None,
                line(&["a=1"]),
                line(&["a=mine", "b=2", "x=7"]),
                line(&["a=1"]),
                line(&["a=9"]),
                None
            ]
        );
    });
}

#[test]
fn a_redirect_s_cookies_go_along() {
    on_worker(async {
        let login = response(
            "303 See Other",
            "location: /home\r\nset-cookie: session=s1; HttpOnly\r\n",
            "",
        );
        let server = serve(vec![vec![Act::Answer(login), Act::Answer(ok("home"))]]).await;
        client(|_| {})
            .send(ask(Method::POST, &server.url("/login"), "user=me"))
            .await;
        assert_eq!(
            sent(&server.requests()[1]),
            Some(vec!["session=s1".to_owned()])
        );
    });
}
