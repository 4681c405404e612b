//! The page without a mouse.

use crate::driver::{Browser, DESK, ENTER, ESCAPE, TAB};
use crate::{Cast, STATE, run_of, scenario};
use serde_json::{Value, json};

/// Most stops on the way to anything.
const STOPS: usize = 60;

/// What has the focus: its text or its label; and whether that can be seen.
const FOCUS: &str = "const one = document.activeElement; const label = one.id && document.querySelector(`label[for=\"${one.id}\"]`);
return [(label?.textContent ?? one.getAttribute('aria-label') ?? one.textContent).trim(), getComputedStyle(one).outlineStyle !== 'none']";

/// Presses Tab until something has the focus; every stop on the way shows it.
#[track_caller]
fn tab_to(browser: &Browser, name: &str) {
    let mut seen = Vec::new();
    for _ in 0..STOPS {
        browser.keys(TAB);
        let focus = browser.script(FOCUS, Value::Null);
        let stop = focus[0].as_str().unwrap().to_owned();
        // The window itself is a stop, too, and has no ring.
        assert!(
            focus[1] == true
                || browser.script(
                    "return document.activeElement === document.body",
                    Value::Null
                ) == true,
            "{stop}: no focus ring"
        );
        if stop == name {
            return;
        }
        seen.push(stop);
    }
    panic!("no {name} among {seen:?}");
}

pub(crate) fn from_start_to_end() {
    let cast = Cast::new();
    let browser = Browser::open("keyboard", DESK);
    browser.go(&cast.served.page);
    browser.until_said("No run yet.");

    // The first stop leads past the head of the page.
    tab_to(&browser, "Skip to the content");
    browser.keys(ENTER);
    assert_eq!(
        browser.script("return document.activeElement.id", Value::Null),
        "main"
    );
    browser.keys("?");
    browser.until_said("Use these single keys");
    browser.keys(ESCAPE);
    browser.until("return !document.querySelector('dialog')", Value::Null);

    browser.keys("n");
    browser.until_said("2 connected");
    tab_to(&browser, "Name");
    browser.select_all();
    browser.keys("keys.yaml");
    tab_to(&browser, "Scenario (YAML)");
    browser.keys(&scenario(300));
    tab_to(&browser, "Base URL");
    browser.keys(&cast.demo.url());
    tab_to(&browser, "Agents");
    browser.select_all();
    browser.keys("2");
    tab_to(&browser, "Start the run");
    browser.keys(ENTER);
    run_of(&browser);
    browser.until(STATE, json!("making load"));
    browser.until(
        "return !document.querySelector('[data-key=p]').disabled",
        Value::Null,
    );

    browser.keys("p");
    browser.until(STATE, json!("paused"));
    browser.until(
        "return !document.querySelector('[data-key=p]').disabled",
        Value::Null,
    );
    browser.keys("p");
    browser.until(STATE, json!("making load"));
    browser.keys("m");
    browser.until(
        "return document.querySelector('dialog[open]')?.contains(document.activeElement)",
        Value::Null,
    );
    // Letters are letters in a field.
    browser.keys("past noon");
    browser.keys(ENTER);
    browser.until(
        "return document.querySelector('.happened').innerText.includes('past noon')",
        Value::Null,
    );
    browser.keys("s");
    browser.until(
        "return document.querySelector('dialog[open]')?.contains(document.activeElement)",
        Value::Null,
    );
    tab_to(&browser, "Stop the run");
    browser.keys(ENTER);
    browser.until_said("How it ended");
    browser.silent();
}
