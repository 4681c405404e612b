//! Dark, and on a phone: nothing wider than the screen, every text readable on its ground.

use crate::driver::{Browser, DESK, Look, PHONE};
use crate::{Cast, STATE, scenario};
use serde_json::{Value, json};

/// Texts whose contrast with what is behind them is below 4.5 (WCAG's AA): what they say, and how much it is.
const FAINT: &str = r"
const light = ([r, g, b]) => {
  const line = [r, g, b].map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2];
};
const colour = (text) => text.match(/[\d.]+/g).map(Number);
const ground = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const found = colour(getComputedStyle(one).backgroundColor);
    if (found.length < 4 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const faint = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.disabled || element.closest('svg, .unseen, .skip')) continue;
  const [a, b] = [light(colour(getComputedStyle(element).color)), light(ground(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) faint.push([element.textContent.trim().slice(0, 40), contrast]);
}
return faint;";

/// How far the page is wider than its window.
const WIDER: &str =
    "return document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// Holds a page against both.
#[track_caller]
fn fine(browser: &Browser, what: &str) {
    assert_eq!(
        browser.script(WIDER, Value::Null),
        0,
        "{what} is wider than the window"
    );
    assert_eq!(
        browser.script(FAINT, Value::Null),
        json!([]),
        "{what}: too faint"
    );
}

pub(crate) fn dark_and_on_a_phone() {
    let cast = Cast::new();
    let desk = Browser::open("dark", Look { dark: true, ..DESK });
    let phone = Browser::open("phone", PHONE);
    let first = cast.start(&desk, "first.yaml", &scenario(3));
    desk.until_said("How it ended");
    fine(&desk, "the end of a run");
    let second = cast.start(&desk, "second.yaml", &scenario(300));
    for (browser, name) in [(&desk, "dark"), (&phone, "phone")] {
        browser.go(&format!("{}/#/runs/{second}", cast.served.page));
        assert_eq!(
            browser.until("return document.documentElement.dataset.theme", Value::Null),
            "dark"
        );
        browser.until(STATE, json!("making load"));
        browser.until(
            "return document.querySelectorAll('tbody tr').length > 3",
            Value::Null,
        );
        fine(browser, "a run");
        browser.picture(&format!("live-{name}"));
        for (page, said) in [
            ("runs", "Pick two"),
            ("agents", "2 agents"),
            ("start", "2 connected"),
        ] {
            browser.script("location.hash = arguments[0]", json!(format!("#/{page}")));
            browser.until_said(said);
            fine(browser, page);
            browser.picture(&format!("{page}-{name}"));
        }
        browser.script(
            "location.hash = arguments[0]",
            json!(format!("#/compare/{first}/{second}")),
        );
        browser.until_said("first.yaml");
        fine(browser, "two runs");
        browser.picture(&format!("compare-{name}"));
    }
    // The switch: auto, light, dark; and the choice is kept.
    desk.click("//button[@id='theme']");
    desk.until(
        "return document.documentElement.dataset.theme === 'light'",
        Value::Null,
    );
    fine(&desk, "two runs in the light");
    desk.go(&format!("{}/?again", cast.served.page));
    desk.until(
        "return document.getElementById('theme')?.textContent === 'Theme: light'",
        Value::Null,
    );
    for browser in [&desk, &phone] {
        browser.silent();
    }
}
