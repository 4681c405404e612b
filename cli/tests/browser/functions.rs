//! The page's pure functions, where they run: tables of what is given and what must come of it.

use crate::driver::{Browser, DESK};
use crate::served::Served;
use serde_json::{Value, json};

/// Calls a function of one of the page's modules.
const CALL: &str = "const [file, name, given] = arguments[0]; return import(`/assets/${file}`).then((module) => module[name](...given) ?? null)";

pub(crate) fn tables() {
    let served = Served::start(&[]);
    let browser = Browser::open("functions", DESK);
    browser.go(&served.page);
    let hold = |file: &str, name: &str, given: Value, wanted: Value| {
        let call = json!([file, name, given]);
        assert_eq!(
            browser.script(CALL, call),
            wanted,
            "{file}: {name}({given})"
        );
    };
    for (given, wanted) in [
        (json!(0), "0 ms"),
        (json!(0.42), "420 µs"),
        (json!(0.9996), "1.00 ms"),
        (json!(12.34), "12.3 ms"),
        (json!(999.4), "999 ms"),
        (json!(999.6), "1.00 s"),
        (json!(1368.9), "1.37 s"),
        (json!(59_949), "59.9 s"),
        (json!(125_000), "2m 05s"),
        (json!(null), "–"),
    ] {
        hold("format.js", "time", json!([given]), json!(wanted));
    }
    for (given, wanted) in [
        (0, "0:00"),
        (999, "0:00"),
        (7_000, "0:07"),
        (750_000, "12:30"),
        (3_723_000, "1:02:03"),
        (-1_500, "−0:01"),
    ] {
        hold("format.js", "clock", json!([given]), json!(wanted));
    }
    for (given, wanted) in [
        (0.0, "0 %"),
        (0.0162, "1.62 %"),
        (0.5, "50 %"),
        (1.0, "100 %"),
        (0.99996, "100 %"),
    ] {
        hold("format.js", "percent", json!([given]), json!(wanted));
    }
    for (given, wanted) in [(999, "999 B"), (1_000, "1 kB"), (2_046_649, "2.05 MB")] {
        hold("format.js", "bytes", json!([given]), json!(wanted));
    }
    for (a, b, wanted) in [
        (100.0, 110.0, "+10 %"),
        (100.0, 50.0, "−50 %"),
        (0.0, 0.0, "±0 %"),
        (0.0, 5.0, "–"),
        (3.0, 3.0, "±0 %"),
    ] {
        hold("format.js", "change", json!([a, b]), json!(wanted));
    }
    merging(&hold);
    labels(&hold);
    forms(&hold);
    events(&browser);
    browser.silent();
}

/// Points: replaced, put in order, forgotten.
fn merging(hold: &impl Fn(&str, &str, Value, Value)) {
    let point = |from: u32, vus: u32| json!({ "span": { "from_ms": from }, "vus": vus });
    let known = json!([point(0, 1), point(1000, 2)]);
    let news = json!([point(1000, 3), point(2000, 4)]);
    hold(
        "model.js",
        "mergePoints",
        json!([known, false, news]),
        json!([point(0, 1), point(1000, 3), point(2000, 4)]),
    );
    hold(
        "model.js",
        "mergePoints",
        json!([known, true, news]),
        news.clone(),
    );
    for (given, wanted) in [
        (json!({ "span": {}, "vus": 9, "vus_open": 4 }), json!(5)),
        (json!({ "vus": 9, "vus_open": 4 }), json!(9)),
    ] {
        hold("model.js", "held", json!([given]), wanted);
    }
    hold(
        "compare.js",
        "overlay",
        json!([{ "times": [0, 1], "values": [5, 6] }, { "times": [1, 2], "values": [7, null] }]),
        json!([[0, 1, 2], [5, 6, null], [null, 7, null]]),
    );
    for (a, b, worse, wanted) in [
        (100, 120, 1, "worse"),
        (100, 80, 1, "better"),
        (100, 80, -1, "worse"),
        (1000, 1005, 1, "alike"),
        (1, 2, 0, ""),
    ] {
        hold(
            "compare.js",
            "judge",
            json!([{ "a": a, "b": b, "worse": worse }]),
            json!(wanted),
        );
    }
}

/// Labels of marks never cover each other, and what matters more comes first.
fn labels(hold: &impl Fn(&str, &str, Value, Value)) {
    let places = json!([{ "x": 0, "width": 50, "rank": 5 }, { "x": 20, "width": 50, "rank": 0 }, { "x": 90, "width": 30, "rank": 5 }]);
    hold(
        "chart.js",
        "seat",
        json!([places, 1, 100]),
        json!([null, { "left": 20, "row": 0 }, null]),
    );
    hold(
        "chart.js",
        "seat",
        json!([places, 2, 130]),
        json!([{ "left": 0, "row": 1 }, { "left": 20, "row": 0 }, { "left": 90, "row": 0 }]),
    );
}

/// What is typed into the forms.
fn forms(hold: &impl Fn(&str, &str, Value, Value)) {
    hold(
        "start.js",
        "variables",
        json!(["A=1\n\n b = x=y "]),
        json!({ "env": { "A": "1", "b": "x=y" } }),
    );
    hold(
        "start.js",
        "variables",
        json!(["A=1\n2B=3"]),
        json!({ "wrong": "Line 2: write NAME=value, as in VUS=50." }),
    );
    for (given, fine) in [
        ("", true),
        ("http://a:1", true),
        ("https://a/b", true),
        ("a:1", false),
        ("shop", false),
        ("ftp://a", false),
    ] {
        let wanted = if fine {
            ""
        } else {
            "A URL with its scheme, such as http://shop.test:8080."
        };
        hold("start.js", "urlTrouble", json!([given]), json!(wanted));
    }
    let diagnostics = "error: there is no executor `x`\n  --> a b.yaml:12:15\n   |\n";
    hold(
        "start.js",
        "places",
        json!([diagnostics]),
        json!([{ "line": 12, "column": 15, "text": "there is no executor `x`" }]),
    );
    hold(
        "controls.js",
        "scaleBody",
        json!(["", "factor", "1,5"]),
        json!({ "body": { "scenario": "", "factor": 1.5 } }),
    );
    hold(
        "controls.js",
        "scaleBody",
        json!(["a", "vus", "1.5"]),
        json!({ "wrong": "A whole number." }),
    );
    hold(
        "controls.js",
        "scaleBody",
        json!(["a", "rate", "-1"]),
        json!({ "wrong": "A number, 0 or more." }),
    );
    for (attempt, random, wanted) in [
        (0, 1.0, 500),
        (0, 0.0, 250),
        (3, 1.0, 4000),
        (50, 1.0, 15_000),
    ] {
        hold(
            "stream.js",
            "backoff",
            json!([attempt, random]),
            json!(wanted),
        );
    }
}

/// An event stream gives the same events however it is cut into pieces.
fn events(browser: &Browser) {
    let found = browser.script(
        r"const text = ': hi\n\nevent: a\ndata: {\ndata: }\r\n\r\ndata:x\n\nevent: never\n\n';
return import('/assets/stream.js').then(({ parser }) => [1, 2, 3, 5, 100].map((size) => {
  const parse = parser();
  const found = [];
  for (let at = 0; at < text.length; at += size) found.push(...parse(text.slice(at, at + size)));
  return found;
}))",
        Value::Null,
    );
    let wanted = json!([{ "event": "a", "data": "{\n}" }, { "event": "message", "data": "x" }]);
    for pieces in found.as_array().unwrap() {
        assert_eq!(*pieces, wanted);
    }
}
