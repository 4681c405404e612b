//! A browser: chromium, driven through chromedriver's WebDriver protocol, which is JSON over HTTP. It ends with the test, whatever becomes
//! of that.

use crate::common::{Folder, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// WebDriver's name for the key under which an element's id stands.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys without a letter, as WebDriver writes them.
pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const ESCAPE: &str = "\u{E00C}";
const CONTROL: &str = "\u{E009}";

/// How a browser is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The window's size.
    pub(crate) size: (u32, u32),
    /// Whether its person likes it dark.
    pub(crate) dark: bool,
}

/// An ordinary window.
pub(crate) const DESK: Look = Look {
    size: (1280, 900),
    dark: false,
};
/// A phone of 360 points, at night.
pub(crate) const PHONE: Look = Look {
    size: (360, 740),
    dark: true,
};

/// A browser with one window, and a profile of its own.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    folder: Folder,
    look: Look,
}

impl Browser {
    /// Opens it.
    pub(crate) fn open(name: &str, look: Look) -> Self {
        // An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = Folder::new(&format!("browser-{name}"));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver, of Debian's package chromium-driver");
        let said = BufReader::new(driver.stdout.take().unwrap());
        let mut browser = Self {
            driver,
            session: String::new(),
            client: reqwest::Client::builder()
                .timeout(PATIENCE)
                .no_proxy()
                .build()
                .unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            folder,
            look,
        };
        let port = said
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let port = line.split("started successfully on port ").nth(1)?;
                Some(port.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver says on which port it is");
        let base = format!("http://127.0.0.1:{port}/session");
        let answer = browser.post(&base, &browser.wishes());
        browser.session = format!("{base}/{}", answer["sessionId"].as_str().unwrap());
        let (width, height) = look.size;
        browser.chrome(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 }),
        );
        let scheme = if look.dark { "dark" } else { "light" };
        browser.chrome(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        browser
    }

    fn wishes(&self) -> Value {
        let (width, height) = self.look.size;
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", self.folder.file("profile")),
        ];
        // Chromium's own sandbox does not work for root.
        let root = Command::new("id").arg("-u").output().unwrap();
        if root.stdout.trim_ascii() == b"0" {
            arguments.push("--no-sandbox".to_owned());
        }
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": { "download.default_directory": self.folder.file("") },
            },
        } } })
    }

    #[track_caller]
    fn post(&self, url: &str, body: &Value) -> Value {
        self.try_post(url, body)
            .unwrap_or_else(|problem| panic!("{url}: {problem}"))
    }

    fn try_post(&self, url: &str, body: &Value) -> Result<Value, String> {
        self.runtime.block_on(async {
            let sent = self.client.post(url).json(body).send();
            let answer = sent.await.map_err(|error| error.to_string())?;
            let fine = answer.status().is_success();
            let mut body: Value = answer.json().await.map_err(|error| error.to_string())?;
            let value = body["value"].take();
            if fine {
                Ok(value)
            } else {
                Err(value["message"].to_string())
            }
        })
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        self.post(&format!("{}/{path}", self.session), body)
    }

    /// A command of Chromium's own protocol.
    fn chrome(&self, command: &str, parameters: Value) -> Value {
        self.ask(
            "goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }

    /// Goes to a URL.
    pub(crate) fn go(&self, url: &str) {
        self.ask("url", &json!({ "url": url }));
    }

    /// What a script returns; a promise is waited for. `arguments[0]` is `with`.
    #[track_caller]
    pub(crate) fn script(&self, script: &str, with: Value) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [with] }))
    }

    /// Waits until a script returns something that is true; gives that.
    #[track_caller]
    pub(crate) fn until(&self, script: &str, with: Value) -> Value {
        let mut found = Value::Null;
        let caller = std::panic::Location::caller();
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(|| {
                found = self.script(script, with.clone());
                !matches!(found, Value::Null | Value::Bool(false))
                    && found != json!("")
                    && found != json!(0)
            });
        }));
        if seen.is_err() {
            let page = self.script("return document.body.innerText.slice(0, 3000)", Value::Null);
            panic!(
                "{caller}: not so:\n{script}\nof {with}\nthe page says:\n{}\nthe console says:\n{:?}",
                page.as_str().unwrap_or(""),
                self.console()
            );
        }
        found
    }

    /// Waits until the page's main part says something, whatever stands around it.
    #[track_caller]
    pub(crate) fn until_said(&self, text: &str) {
        self.until(
            "return document.body.innerText.includes(arguments[0])",
            json!(text),
        );
    }

    /// The element that an XPath finds first, once it is there, can be seen, and can be used.
    #[track_caller]
    pub(crate) fn find(&self, xpath: &str) -> String {
        self.found(xpath, "one && one.checkVisibility() && !one.disabled")
    }

    #[track_caller]
    fn found(&self, xpath: &str, fit: &str) -> String {
        let look =
            "const one = document.evaluate(arguments[0], document, null, 9, null).singleNodeValue;";
        let found = self.until(&format!("{look} return {fit} ? one : null"), json!(xpath));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks where an XPath is.
    #[track_caller]
    pub(crate) fn click(&self, xpath: &str) {
        self.click_on(&self.find(xpath));
    }

    fn click_on(&self, element: &str) {
        self.ask(&format!("element/{element}/click"), &json!({}));
    }

    /// Clicks a button, or a link that looks like one, by its text.
    #[track_caller]
    pub(crate) fn press(&self, text: &str) {
        self.click(&format!("(//dialog[@open]//button[normalize-space()='{text}'] | //main//*[self::button or self::a][normalize-space()='{text}'])[1]"));
    }

    /// The control that belongs to a label.
    #[track_caller]
    pub(crate) fn labelled(&self, label: &str) -> String {
        self.find(&format!(
            "//*[@id=//label[normalize-space()='{label}']/@for]"
        ))
    }

    /// Writes into the field of a label, in place of what was there.
    #[track_caller]
    pub(crate) fn write(&self, label: &str, text: &str) {
        let element = self.labelled(label);
        self.ask(&format!("element/{element}/clear"), &json!({}));
        self.ask(
            &format!("element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Picks an option of the list of a label, by the option's text.
    #[track_caller]
    pub(crate) fn pick(&self, label: &str, option: &str) {
        let list = format!("//*[@id=//label[normalize-space()='{label}']/@for]");
        // An option of a closed list is not to be seen.
        self.click_on(&self.found(
            &format!("{list}/option[normalize-space()='{option}']"),
            "one",
        ));
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) fn keys(&self, text: &str) {
        let strokes = text.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        self.act(strokes.collect());
    }

    /// Selects all where the focus is.
    pub(crate) fn select_all(&self) {
        self.act(vec![
            json!({ "type": "keyDown", "value": CONTROL }),
            json!({ "type": "keyDown", "value": "a" }),
            json!({ "type": "keyUp", "value": "a" }),
            json!({ "type": "keyUp", "value": CONTROL }),
        ]);
    }

    fn act(&self, strokes: Vec<Value>) {
        self.ask(
            "actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }),
        );
    }

    /// What the console was told since it was asked last, other than plain messages: level, source, text.
    pub(crate) fn console(&self) -> Vec<(String, String)> {
        let told = self.ask("se/log", &json!({ "type": "browser" }));
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or("").to_owned();
        let lines = told.as_array().unwrap().iter();
        lines
            .filter(|line| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING")))
            .map(|line| (text(line, "source"), text(line, "message")))
            .collect()
    }

    /// Fails if the console was told of an error or a warning.
    #[track_caller]
    pub(crate) fn silent(&self) {
        assert_eq!(self.console(), [], "the console");
    }

    /// Keeps a picture of the whole page, if pictures are wanted: THRONG_PICTURES names the folder.
    pub(crate) fn picture(&self, name: &str) {
        let Ok(folder) = std::env::var("THRONG_PICTURES") else {
            return;
        };
        let size = self.chrome("Page.getLayoutMetrics", json!({}));
        let size = &size["cssContentSize"];
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let taken = self.chrome(
            "Page.captureScreenshot",
            json!({ "captureBeyondViewport": true, "clip": clip }),
        );
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            taken["data"].as_str().unwrap(),
        );
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/{name}.png"), bytes.unwrap()).unwrap();
    }

    /// A file that was downloaded, once it is whole.
    #[track_caller]
    pub(crate) fn downloaded(&self, name: &str) -> String {
        let path = self.folder.file(name);
        let mut text = String::new();
        // It is given its name when it is whole.
        wait_for(|| match std::fs::read_to_string(&path) {
            Ok(found) => {
                text = found;
                !text.is_empty()
            }
            Err(_) => false,
        });
        text
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // This ends chromium; its profile can be taken away then.
            let ended = self
                .client
                .delete(&self.session)
                .timeout(Duration::from_secs(20));
            let _ = self.runtime.block_on(async { ended.send().await });
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
