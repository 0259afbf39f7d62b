//! A real Chromium, told what to do over a pipe (Chrome DevTools Protocol, `--remote-debugging-pipe`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    page: String,
    calls: u64,
    /// What the page complained about.
    pub(crate) complaints: Vec<String>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    /// Starts it with a profile of its own.
    pub(crate) fn start(profile: &Path) -> Self {
        // It reads what it is told from 3, and answers on 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1", "sh"])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self {
            to: process.stdin.take().unwrap(),
            from: BufReader::new(process.stdout.take().unwrap()),
            process,
            page: String::new(),
            calls: 0,
            complaints: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.page = session["sessionId"].as_str().unwrap().to_owned();
        for what in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(what, json!({}));
        }
        browser
    }

    /// Asks for something, and waits for the answer; complaints that come before it are kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut asked = json!({ "id": self.calls, "method": method, "params": params });
        if !self.page.is_empty() {
            asked["sessionId"] = self.page.clone().into();
        }
        write!(self.to, "{asked}\0").unwrap();
        loop {
            let mut message = Vec::new();
            let read = self.from.read_until(0, &mut message).unwrap();
            assert!(read > 0, "the browser is gone: {method}");
            message.pop();
            let message: Value = serde_json::from_slice(&message).unwrap();
            if message["id"] == self.calls {
                assert_eq!(message["error"], Value::Null, "{asked}: {message}");
                return message["result"].clone();
            }
            let complains = matches!(
                message["method"].as_str(),
                Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded")
            );
            if complains {
                self.complaints.push(message["params"].to_string());
            }
        }
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// What an expression comes to on the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let found = self.call("Runtime.evaluate", params);
        assert_eq!(
            found["exceptionDetails"],
            Value::Null,
            "{expression}: {found}"
        );
        found["result"]["value"].clone()
    }

    /// A picture of the page from its top, so wide and high, into a file.
    pub(crate) fn shot(&mut self, path: &Path, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.value("document.activeElement.blur(); scrollTo(0, 0)");
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let data = shot["data"].as_str().unwrap();
        let picture = STANDARD.decode(data).unwrap();
        std::fs::write(path, picture).unwrap();
    }

    /// So wide, and in light or dark.
    pub(crate) fn is_seen(&mut self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [scheme] }),
        );
    }
}
