//! The list of files under `web/assets/`; a test holds it against the folder.

/// A file by its name there.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../assets/", $name)))),*]
    };
}

/// Name and bytes.
pub(crate) const FILES: &[(&str, &[u8])] = files![
    "agents.js",
    "api.js",
    "chart.js",
    "compare.js",
    "controls.js",
    "dom.js",
    "format.js",
    "help.js",
    "icon.svg",
    "index.html",
    "main.js",
    "model.js",
    "notice.js",
    "over.js",
    "parts.css",
    "poll.js",
    "run.js",
    "runcharts.js",
    "runs.js",
    "signin.js",
    "start.js",
    "stream.js",
    "style.css",
    "tables.js",
    "theme.js",
    "tiles.js",
    "vendor/uplot/LICENSE.txt",
    "vendor/uplot/README.txt",
    "vendor/uplot/uPlot.iife.min.js",
    "vendor/uplot/uPlot.min.css",
    "words.js",
];
