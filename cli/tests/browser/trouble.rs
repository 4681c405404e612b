//! What the page says when something goes wrong: in a scenario, in a field, with the connection.

use crate::common::Folder;
use crate::driver::{Browser, DESK};
use crate::served::Served;
use crate::{Cast, STATE, scenario};
use serde_json::{Value, json};

/// What is said to be wrong with the field of a label.
const WRONG: &str = "const label = [...document.querySelectorAll('label')].find((one) => one.textContent === arguments[0]); return document.getElementById(`${label.htmlFor}-wrong`).textContent";

/// The console tells of each answer that is an error; nothing else may be there.
fn only_refusals(browser: &Browser, status: &str) {
    for (source, text) in browser.console() {
        assert!(
            source == "network" && text.contains(status),
            "{source}: {text}"
        );
    }
}

pub(crate) fn errors_stand_where_they_belong() {
    let cast = Cast::new();
    let browser = Browser::open("trouble", DESK);
    browser.go(&format!("{}/#/start", cast.served.page));
    // Before anything is sent, each field says what it wants.
    browser.until_said("2 connected");
    browser.write("Base URL", "shop");
    browser.write("Variables", "VUS=5\nnonsense");
    browser.press("Start the run");
    for (label, wanted) in [
        ("Scenario (YAML)", "Pick a built-in scenario"),
        ("Base URL", "A URL with its scheme"),
        ("Variables", "Line 2"),
    ] {
        let said = browser.script(WRONG, json!(label));
        assert!(said.as_str().unwrap().contains(wanted), "{label}: {said}");
    }
    // A built-in scenario to begin with; then a mistake in it.
    browser.write("Base URL", &cast.demo.url());
    browser.write("Variables", "");
    browser.pick("Begin with", "smoke.yaml");
    browser.until(
        "return document.querySelector('textarea').value.includes('per-vu-iterations')",
        Value::Null,
    );
    browser.write(
        "Scenario (YAML)",
        &scenario(3).replace("ramping-vus", "ramping-vu"),
    );
    browser.press("Start the run");
    browser.until_said("It was not started");
    browser.until_said("did you mean `ramping-vus`?");
    // From the message to the place.
    browser.click("//ul[@class='jumps']//button[starts-with(normalize-space(), 'Line 3')]");
    let chosen = browser.script("const area = document.activeElement; return area.value.slice(area.selectionStart, area.selectionEnd)", Value::Null);
    assert_eq!(chosen, "ramping-vu");
    browser.picture("refused-light");
    only_refusals(&browser, "422");

    // A run that nobody knows.
    browser.go(&format!("{}/#/runs/r-nowhere", cast.served.page));
    browser.until(
        "return document.querySelector('.trouble:not([hidden])')?.textContent",
        Value::Null,
    );
    only_refusals(&browser, "404");
}

pub(crate) fn a_controller_that_was_killed() {
    let folder = Folder::new("browser-killed");
    let runs = folder.file("runs");
    // However long a browser and a new controller take on a busy machine, nobody is lost meanwhile.
    let flags = ["--runs", &runs, "--lease", "60s"];
    let served = Served::start(&flags);
    let (listen, web) = (
        served.controller.trim_start_matches("http://").to_owned(),
        served.page.trim_start_matches("http://").to_owned(),
    );
    let agents = [served.agent("first"), served.agent("second")];
    let cast = Cast {
        served,
        demo: crate::Demo::fast(),
        _agents: agents,
    };
    let browser = Browser::open("killed", DESK);
    cast.start(&browser, "killed.yaml", &scenario(300));
    browser.until(STATE, json!("making load"));
    cast.served.kill();
    browser.until_said("Connection lost");
    // The buttons do nothing while nobody hears them.
    browser.until(
        "const buttons = [...document.querySelectorAll('.controls button')]; return buttons.length === 4 && buttons.every((one) => one.disabled)",
        Value::Null,
    );
    browser.picture("lost-light");
    let _again = Served::at(&listen, &web, &flags);
    browser.until(
        "return document.querySelector('.trouble').hidden",
        Value::Null,
    );
    browser.until(STATE, json!("making load"));
    let before = browser.script(
        "return document.querySelector('.clock').textContent",
        Value::Null,
    );
    browser.until(
        "return document.querySelector('.clock').textContent !== arguments[0]",
        before,
    );
}
