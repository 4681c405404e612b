//! A controller and the page that it serves.

use crate::common::{Standing, throng};
use serde_json::Value;

/// A standing controller with a page.
pub(crate) struct Served {
    process: Standing,
    /// Where agents and the command line reach it, with its scheme.
    pub(crate) controller: String,
    /// Where the page is.
    pub(crate) page: String,
}

impl Served {
    /// On free ports of the loopback.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::at("127.0.0.1:0", "127.0.0.1:0", more)
    }

    /// At these addresses, the controller's and the page's.
    pub(crate) fn at(listen: &str, web: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["controller", "--listen", listen, "--web", web];
        arguments.extend(["--log-format", "json"]);
        arguments.extend(more);
        let process = Standing::start(throng(&arguments));
        let scheme = if more.contains(&"--tls") {
            "https"
        } else {
            "http"
        };
        let controller = format!("{scheme}://{}", process.address());
        let page = process.until(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["fields"]["url"].as_str().map(str::to_owned)
        });
        Self {
            process,
            controller,
            page: page.trim_end_matches('/').to_owned(),
        }
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&self) {
        self.process.signal("-KILL");
    }

    /// An agent of its fleet, on the loopback and without TLS.
    pub(crate) fn agent(&self, name: &str) -> Standing {
        let mut arguments = vec!["agent", "--controller", &self.controller, "--name", name];
        arguments.extend(["--workers", "1", "--log-format", "json"]);
        Standing::start(throng(&arguments))
    }
}
