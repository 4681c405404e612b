//! Where the controller asks who comes.

use crate::common::{Folder, throng};
use crate::driver::{Browser, DESK};
use crate::served::Served;
use serde_json::Value;

pub(crate) fn with_an_operators_token() {
    let folder = Folder::new("browser-sign-in");
    let state = folder.file("state");
    let token = throng(&["token", "create", "--role", "operator", "--state", &state]);
    let token = said(token);
    let served = Served::start(&["--tls", "--state", &state, "--no-token"]);
    let browser = Browser::open("sign-in", DESK);
    browser.go(&format!("{}/#/agents", served.page));
    browser.until_said("Operator token");
    browser.picture("sign-in-light");
    browser.write("Operator token", "nonsense");
    browser.press("Sign in");
    browser.until(
        "return document.querySelector('.wrong:not([hidden])')?.textContent",
        Value::Null,
    );
    // The console tells of the answer that was an error, and of nothing else.
    for (source, text) in browser.console() {
        assert!(
            source == "network" && text.contains("401"),
            "{source}: {text}"
        );
    }
    browser.write("Operator token", &token);
    browser.press("Sign in");
    // And then the page that was wanted.
    browser.until_said("No agent is connected.");
    browser.click("//button[normalize-space()='Sign out']");
    browser.until_said("Operator token");
    browser.silent();
}

/// What a program prints.
fn said(mut command: std::process::Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
