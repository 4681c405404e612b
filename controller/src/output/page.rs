//! The page that Prometheus scrapes: what the newest run has come to, in the text format. Whoever serves it only reads it.

use std::sync::{Arc, Mutex, PoisonError};

/// The page's text, shared between whoever words it and whoever serves it.
#[derive(Debug, Clone, Default)]
pub struct Page(Arc<Mutex<String>>);

impl Page {
    /// The content type of the text format.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// What it says now.
    #[must_use]
    pub fn text(&self) -> String {
        let head = format!(
            "# HELP throng_build_info The program that this is.\n# TYPE throng_build_info gauge\nthrong_build_info{{version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        );
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        head + &text
    }

    /// Puts other text in the place of the old.
    pub(super) fn set(&self, text: &str) {
        text.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl PartialEq for Page {
    /// True for the same page, whatever it says.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Page {}
