//! A headless Chromium, driven by WebDriver (W3C). The protocol is a few JSON requests, which ureq and serde_json can
//! make; the crates for it bring licences and dependencies that this project does not accept.

use crate::common::{Process, agent, eventually, program};
use serde_json::{Value, json};
use std::fmt;
use ureq::http::Request;

/// A browser with one page, and its driver. Both end when it is dropped.
pub(crate) struct Browser {
    /// The address of the session.
    session: String,
    agent: ureq::Agent,
    _driver: Process,
}

impl Browser {
    /// Opens a window of this size, in CSS pixels.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        // ci/install.sh installs chromedriver.
        let driver = Process::start(&mut program("chromedriver", &["--port=0", "--allowed-ips=127.0.0.1"]));
        let line = driver.stdout.line_with("started successfully on port ");
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
        let session = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { session, agent: agent(), _driver: driver };
        let args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en-GB"];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL" }
        } } });
        let id = browser.send("POST", "", Some(&capabilities))["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser.resize(width, height);
        browser
    }

    /// Sends a command to the driver, and returns the value of the answer. The command must succeed.
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.session));
        let response = match body {
            Some(body) => self.agent.run(request.body(body.to_string()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap();
        let answer: Value = serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap();
        assert!(response.status().is_success(), "{method} {path}: {answer:#}");
        answer["value"].clone()
    }

    fn command(&self, name: &str, parameters: &Value) {
        self.send("POST", "/goog/cdp/execute", Some(&json!({ "cmd": name, "params": parameters })));
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn open(&self, url: &str) {
        self.send("POST", "/url", Some(&json!({ "url": url })));
    }

    pub(crate) fn reload(&self) {
        self.send("POST", "/refresh", Some(&json!({})));
    }

    pub(crate) fn back(&self) {
        self.send("POST", "/back", Some(&json!({})));
    }

    pub(crate) fn url(&self) -> String {
        self.send("GET", "/url", None).as_str().unwrap().to_owned()
    }

    /// Runs the body of a function, and returns its value.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.send("POST", "/execute/sync", Some(&json!({ "script": script, "args": [] })))
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression};"))
    }

    /// The text of the first element that a selector finds; empty where there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        self.value(&format!("document.querySelector({})?.textContent ?? ''", json!(selector)))
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Whether an element is visible.
    pub(crate) fn is_visible(&self, selector: &str) -> bool {
        self.value(&format!("document.querySelector({})?.checkVisibility() ?? false", json!(selector))) == true
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&self, expression: &str) {
        let what = fmt::from_fn(|f| write!(f, "{expression}; the page:\n{}", self.page()));
        eventually(what, || self.value(&format!("Boolean({expression})")) == true);
    }

    /// Waits until the first element that a selector finds has this text.
    pub(crate) fn wait_for_text(&self, selector: &str, text: &str) {
        self.wait_for(&format!("document.querySelector({})?.textContent === {}", json!(selector), json!(text)));
    }

    /// Presses an element as a pointer does.
    pub(crate) fn click(&self, selector: &str) {
        self.wait_for(&format!("document.querySelector({})?.checkVisibility()", json!(selector)));
        // The page may replace an element, or move it, after it was found.
        eventually(format!("{selector} can be pressed"), || {
            let element = self.element(selector);
            let request = Request::builder().method("POST").uri(format!("{}/element/{element}/click", self.session));
            self.agent.run(request.body("{}").unwrap()).unwrap().status().is_success()
        });
    }

    /// Types into an element; keys are those of the Unicode private use area (WebDriver, 17.4.2).
    pub(crate) fn enter(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.send("POST", &format!("/element/{element}/value"), Some(&json!({ "text": text })));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.send("POST", "/element", Some(&json!({ "using": "css selector", "value": selector })));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// The errors and warnings on the console since the last call: those of the page itself, and breaches of its
    /// policy. Failed requests are logged there too, and left out.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.send("POST", "/se/log", Some(&json!({ "type": "browser" })));
        let entries = entries.as_array().unwrap().iter();
        let complaints = entries.filter(|entry| {
            ["SEVERE", "WARNING"].contains(&entry["level"].as_str().unwrap()) && entry["source"] != "network"
        });
        complaints.map(ToString::to_string).collect()
    }

    /// The text of the page.
    fn page(&self) -> String {
        self.value("document.documentElement.dataset.connection + '\\n' + document.body.innerText")
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser. A driver that is killed leaves its browser behind.
        let request = Request::builder().method("DELETE").uri(&self.session).body(()).unwrap();
        let _ = self.agent.run(request);
    }
}
