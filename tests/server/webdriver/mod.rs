//! A headless Chromium, driven by WebDriver (W3C). The protocol is a few JSON requests, which ureq and serde_json can
//! make; the crates for it bring licences and dependencies that this one does not take.

use crate::common::agent;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use ureq::http::Request;

/// How long anything may take that has to come. Only a test that fails waits so long.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long to wait before looking again.
const PERIOD: Duration = Duration::from_millis(50);

/// A browser with one page, and its driver. Both end when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    _log: BufReader<ChildStdout>,
    /// The address of the session.
    session: String,
    agent: ureq::Agent,
}

impl Browser {
    /// A window of this size, in CSS pixels.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there; ci/install.sh installs it");
        let mut log = BufReader::new(driver.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "chromedriver ended");
            if let Some((_, port)) = line.trim_end().split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut browser =
            Self { driver, _log: log, session: format!("http://127.0.0.1:{port}/session"), agent: agent() };
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

    /// What the driver says to a command, which must succeed.
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

    /// What a function body returns.
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

    /// Whether an element is there to be seen.
    pub(crate) fn is_visible(&self, selector: &str) -> bool {
        self.value(&format!("document.querySelector({})?.checkVisibility() ?? false", json!(selector))) == true
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&self, expression: &str) {
        let start = Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            assert!(start.elapsed() < DEADLINE, "{expression} did not come true; the page:\n{}", self.page());
            sleep(PERIOD);
        }
    }

    /// Waits until the first element that a selector finds has this text.
    pub(crate) fn wait_for_text(&self, selector: &str, text: &str) {
        self.wait_for(&format!("document.querySelector({})?.textContent === {}", json!(selector), json!(text)));
    }

    /// Presses an element as a pointer does.
    pub(crate) fn click(&self, selector: &str) {
        self.wait_for(&format!("document.querySelector({})?.checkVisibility()", json!(selector)));
        // Elements come and go while figures do, so one that was found may be another's place by now.
        let start = Instant::now();
        loop {
            let element = self.element(selector);
            let request = Request::builder().method("POST").uri(format!("{}/element/{element}/click", self.session));
            let response = self.agent.run(request.body("{}").unwrap()).unwrap();
            if response.status().is_success() {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{selector} cannot be pressed: {response:?}");
            sleep(PERIOD);
        }
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

    /// What the console has shown since it was last asked: errors and warnings of the page itself, and breaches of its
    /// policy. That an answer was no success is told there too, and left out.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.send("POST", "/se/log", Some(&json!({ "type": "browser" })));
        let entries = entries.as_array().unwrap().iter();
        let complaints = entries.filter(|entry| {
            ["SEVERE", "WARNING"].contains(&entry["level"].as_str().unwrap()) && entry["source"] != "network"
        });
        complaints.map(ToString::to_string).collect()
    }

    /// The page as a person reads it.
    fn page(&self) -> String {
        self.value("document.documentElement.dataset.connection + '\\n' + document.body.innerText")
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; without it the driver would leave one behind.
        let request = Request::builder().method("DELETE").uri(&self.session).body(()).unwrap();
        let _ = self.agent.run(request);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
