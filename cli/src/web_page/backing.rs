//! What the web page needs of plan and controller: bundles from scenarios that were typed in, and reports as text.

use controller::report::Report;
use plan::{Bundle, Overrides};
use std::collections::BTreeMap;
use web::{Scenario, Wanted};

/// Scenarios to start from, the demo's first.
macro_rules! scenarios {
    ($($name:literal),*) => {
        [$(Scenario {
            name: $name,
            source: include_str!(concat!("../../../scenarios/", $name)),
        }),*]
    };
}

/// The rooms beside it.
#[derive(Debug)]
pub(super) struct Rooms;

impl web::Backing for Rooms {
    fn bundle(&self, wanted: Wanted) -> Result<Vec<u8>, String> {
        // Variables of this process's environment are not the scenario's: whoever typed it in may know less than this process.
        let bundle = Bundle {
            name: wanted.name,
            source: wanted.source,
            files: BTreeMap::new(),
            env: wanted.env,
            overrides: Overrides {
                base_url: wanted.base_url,
                ..Overrides::default()
            },
            seed: crate::source::seed(),
        };
        let files = bundle
            .wanted_files()
            .map_err(|diagnostics| diagnostics.render(false))?;
        if let Some(file) = files.first() {
            return Err(format!(
                "error: the scenario names a data file, {file}, which the web page cannot send along\n  try: `throng run FILE --controller URL` where the file is, or write its rows into the scenario (`data: {{ NAME: {{ list: [...] }} }}`)\n"
            ));
        }
        plan::compile(&bundle).map_err(|diagnostics| diagnostics.render(false))?;
        serde_json::to_vec(&bundle).map_err(|error| error.to_string())
    }

    fn report(&self, json: &[u8]) -> Result<String, String> {
        let report: Report = serde_json::from_slice(json)
            .map_err(|error| format!("the report cannot be read: {error}"))?;
        let mut text = controller::report::text(&report, false);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    fn scenarios(&self) -> Vec<Scenario> {
        scenarios![
            "reservation.yaml",
            "reservation-setup.yaml",
            "smoke.yaml",
            "load.yaml",
            "stress.yaml",
            "spike.yaml",
            "soak.yaml",
            "breakpoint.yaml"
        ]
        .to_vec()
    }
}
