//! The web page, as a person has it: in Chromium, against a real controller, agents and target.
//!
//! Needs chromium and chromedriver (Debian's chromium and chromium-driver), so it is ignored unless asked for; CI asks:
//! `cargo test -p throng --test browser -- --ignored`. With `THRONG_PICTURES=DIR`, pictures of what was seen are kept there.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "only a part is used here")]
#[path = "../whole/common.rs"]
mod common;
mod driver;
mod functions;
mod keyboard;
mod looks;
mod served;
mod sign_in;
mod story;
mod trouble;

use common::{Demo, Standing};
use driver::Browser;
use serde_json::{Value, json};
use served::Served;

/// A scenario of both kinds of load, that goes on for `seconds`.
fn scenario(seconds: u32) -> String {
    format!(
        r#"scenarios:
  visitors:
    executor: ramping-vus
    startVUs: 2
    stages: [{{ duration: 1s, target: 6 }}, {{ duration: {seconds}s, target: 6 }}]
  arrivals:
    executor: constant-arrival-rate
    rate: 10
    timeUnit: 1s
    duration: {seconds}s
    preAllocatedVUs: 4
    maxVUs: 8
thresholds:
  http_req_duration: ["p(95)<10000"]
flows:
  default:
    - get: /healthz
      checks: {{ alive: {{ status: 200 }} }}
    - get: /nowhere
      name: "<img src=x onerror=alert(1)>"
    - sleep: 50ms
"#
    )
}

/// A controller with a page, two agents and something to aim at.
struct Cast {
    served: Served,
    demo: Demo,
    _agents: [Standing; 2],
}

impl Cast {
    fn new() -> Self {
        let served = Served::start(&[]);
        let agents = [served.agent("first"), served.agent("second")];
        Self {
            served,
            demo: Demo::fast(),
            _agents: agents,
        }
    }

    /// Fills the form in and starts; gives the run's id once its page is there.
    fn start(&self, browser: &Browser, name: &str, source: &str) -> String {
        browser.go(&format!("{}/#/start", self.served.page));
        browser.until_said("2 connected");
        browser.write("Name", name);
        browser.write("Scenario (YAML)", source);
        browser.write("Base URL", &self.demo.url());
        browser.write("Agents", "2");
        browser.press("Start the run");
        run_of(browser)
    }
}

/// The run whose page is shown.
#[track_caller]
fn run_of(browser: &Browser) -> String {
    let run = browser.until(
        "return /^#\\/runs\\/(.+)$/.exec(location.hash)?.[1]",
        Value::Null,
    );
    run.as_str().unwrap().to_owned()
}

/// What the pill beside the title says.
const STATE: &str = "return document.querySelector('.runhead .pill')?.textContent === arguments[0]";

/// The big figure of a tile.
const TILE: &str = "return [...document.querySelectorAll('.tile')].find((one) => one.firstElementChild.textContent === arguments[0])?.querySelector('.big').textContent ?? ''";

/// A tile's figure as a number.
#[track_caller]
fn tile(browser: &Browser, name: &str) -> f64 {
    let text = browser.script(TILE, json!(name));
    let digits: String = text
        .as_str()
        .unwrap()
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    digits.parse().unwrap_or(0.0)
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_starts_a_run_watches_it_changes_it_ends_it_and_compares_it() {
    story::from_start_to_comparison();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_says_what_is_wrong_where_it_belongs() {
    trouble::errors_stand_where_they_belong();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_says_that_the_connection_is_lost_and_comes_back() {
    trouble::a_controller_that_was_killed();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_starts_pauses_and_stops_a_run_by_keyboard_alone() {
    keyboard::from_start_to_end();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_signs_in_over_tls() {
    sign_in::with_an_operators_token();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_shows_it_dark_and_on_a_phone() {
    looks::dark_and_on_a_phone();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn chromium_reckons_with_the_pages_own_functions() {
    functions::tables();
}
