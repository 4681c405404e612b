//! `--out`: read before anything is started, so that a typing error costs nothing.

use crate::error::Error;
use controller::output::Spec;

/// `--out`, on every verb that starts a controller.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Outputs {
    /// Send what is measured, second by second, to json=FILE[.gz], csv=FILE[.gz], influxdb=URL/DB, prometheus-rw=URL, otlp=URL or statsd=HOST:PORT; repeat it. Options follow with commas (docs/outputs.md)
    #[arg(
        long = "out",
        env = "THRONG_OUT",
        value_name = "KIND=TARGET[,OPTION=VALUE…]",
        help_heading = "Report"
    )]
    pub(crate) out: Vec<String>,
}

impl Outputs {
    /// What they say.
    ///
    /// # Errors
    /// `Flags`: what is wrong with the first bad one.
    pub(crate) fn specs(&self) -> Result<Vec<Spec>, Error> {
        let specs = self
            .out
            .iter()
            .filter(|text| !text.is_empty())
            .map(|text| Spec::parse(text, &|name| std::env::var(name).ok()));
        specs
            .collect::<Result<Vec<Spec>, _>>()
            .map_err(|error| Error::flags(format!("--out {}", error.what), error.hint))
    }
}
