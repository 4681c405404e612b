//! A run from the form that starts it to its report, and two runs laid over each other.

use crate::driver::{Browser, DESK};
use crate::{Cast, STATE, run_of, scenario, tile};
use serde_json::{Value, json};

/// The picture on the first chart.
const PICTURE: &str = "return document.querySelector('.chart canvas')?.toDataURL() ?? ''";
/// The list of what happened.
const HAPPENED: &str = "return document.querySelector('.happened').innerText";
const SAID: &str = "return document.querySelector('.happened').innerText.includes(arguments[0])";

pub(crate) fn from_start_to_comparison() {
    let cast = Cast::new();
    let browser = Browser::open("story", DESK);
    browser.go(&cast.served.page);
    browser.until_said("No run yet.");

    let first = cast.start(&browser, "first.yaml", &scenario(300));
    watch(&browser);
    change(&browser);
    stop(&browser, &first);
    download(&browser, &first);

    let second = cast.start(&browser, "second.yaml", &scenario(3));
    browser.until_said("How it ended");
    browser.until_said("passed");
    compare(&browser, &first, &second);
    browser.silent();
}

/// Figures and charts move.
fn watch(browser: &Browser) {
    browser.until(STATE, json!("making load"));
    browser.until(
        "return document.querySelectorAll('.chart:not([hidden]) canvas').length === 6",
        Value::Null,
    );
    browser.until(
        "return document.querySelector('h1').textContent === 'first.yaml'",
        Value::Null,
    );
    let (picture, requests) = (
        browser.script(PICTURE, Value::Null),
        tile(browser, "requests"),
    );
    browser.until(
        "return document.querySelector('.chart canvas').toDataURL() !== arguments[0]",
        picture,
    );
    browser.until(
        "const big = [...document.querySelectorAll('.tile')].find((one) => one.firstElementChild.textContent === 'requests'); return Number(big.querySelector('.big').textContent.replaceAll(',', '')) > arguments[0]",
        json!(requests),
    );
    for part in [
        "Scenarios",
        "Steps",
        "visitors",
        "arrivals",
        "first",
        "second",
        "HTTP 404 Not Found",
        "<img src=x onerror=alert(1)>",
    ] {
        browser.until_said(part);
    }
    browser.picture("live-light");
}

/// Pause, scale, resume, note.
fn change(browser: &Browser) {
    browser.press("Pause");
    browser.until(STATE, json!("paused"));
    browser.press("Scale…");
    browser.write("To", "1.5");
    browser.press("Scale");
    browser.until("return !document.querySelector('dialog')", Value::Null);
    browser.press("Resume");
    browser.until(STATE, json!("making load"));
    browser.press("Note…");
    browser.write("Note", "deployed <b>2.0</b> & more");
    browser.press("Note");
    browser.until(SAID, json!("deployed <b>2.0</b> & more"));
    let happened = browser.script(HAPPENED, Value::Null);
    let happened = happened.as_str().unwrap();
    for kind in ["stage", "change", "note"] {
        assert!(happened.contains(kind), "{happened}");
    }
    for word in ["paused", "resumed"] {
        assert!(happened.to_lowercase().contains(word), "{happened}");
    }
}

/// Asks once more, and shows the end.
fn stop(browser: &Browser, run: &str) {
    browser.press("Stop…");
    browser.press("Cancel");
    browser.until(STATE, json!("making load"));
    browser.press("Stop…");
    browser.press("Stop the run");
    browser.until_said("How it ended");
    assert_eq!(run_of(browser), run);
    for text in [
        "http_req_duration",
        "p(95)<10000",
        "exit code",
        "Somebody let it finish early",
        "passed",
    ] {
        browser.until_said(text);
    }
    // The buttons that change a run have gone with it.
    browser.until(
        "return document.querySelector('.controls').checkVisibility() === false",
        Value::Null,
    );
    browser.picture("end-light");
}

/// Both reports, and that the page shows what they hold.
fn download(browser: &Browser, run: &str) {
    browser.press("Download report.json");
    let report: Value =
        serde_json::from_str(&browser.downloaded(&format!("throng-{run}.json"))).unwrap();
    assert_eq!(report["run"]["id"], run);
    assert_eq!(
        report["metrics"]["http_reqs"]["values"]["count"]
            .as_f64()
            .unwrap(),
        tile(browser, "requests")
    );
    browser.press("Download report.txt");
    let text = browser.downloaded(&format!("throng-{run}.txt"));
    assert!(text.contains("VERDICT") && text.contains(run), "{text}");
}

/// Picks two runs and lays one over the other.
fn compare(browser: &Browser, first: &str, second: &str) {
    browser.script("location.hash = '#/runs'", Value::Null);
    for run in [first, second] {
        browser.click(&format!("//input[@type='checkbox'][@data-run='{run}']"));
    }
    browser.press("Compare");
    browser.until_said("Differences");
    for text in ["first.yaml", "second.yaml", "p95", "verdict of the data"] {
        browser.until_said(text);
    }
    // Both have their figures, and there is a line of each on each chart.
    browser.until(
        "const rows = [...document.querySelectorAll('tbody tr')].filter((row) => row.children[0].textContent === 'requests'); return rows.length === 1 && rows.every((row) => /[0-9]/.test(row.children[1].textContent) && /[0-9]/.test(row.children[2].textContent))",
        Value::Null,
    );
    browser.until("const charts = [...document.querySelectorAll('.chart')]; const figures = charts.map((one) => [...one.querySelectorAll('.figure')]); return charts.length === 4 && figures.every((two) => two.length === 2 && two.every((figure) => /[0-9]/.test(figure.textContent)))", Value::Null);
    browser.picture("compare-light");
}
