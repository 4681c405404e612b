//! Outputs of a run that a later life of the controller goes on with.

use super::spec::{Kind, Spec};

impl Spec {
    /// The same for a later life of the controller: a file that an earlier one wrote is left as it is, and this one, of this number,
    /// is beside it (`out.csv`, `out.2.csv`).
    #[must_use]
    pub fn of_life(&self, number: u64) -> Self {
        let mut spec = self.clone();
        if let Kind::Json(file) | Kind::Csv(file) = &mut spec.kind
            && let Some(name) = file.path.file_name().and_then(|name| name.to_str())
        {
            let (stem, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
            file.path = file.path.with_file_name(format!("{stem}.{number}{rest}"));
            let kind = spec.shown.split('=').next().unwrap_or_default();
            spec.shown = format!("{kind}={}", file.path.display());
        }
        spec
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_file_of_an_earlier_life_is_left_as_it_is() {
        for (asked, later) in [
            ("csv=out/a.csv.gz", "out/a.3.csv.gz"),
            ("json={run}.json", "{run}.3.json"),
            ("json=plain", "plain.3"),
        ] {
            let spec = Spec::parse(asked, &|_| None).unwrap().of_life(3);
            assert!(spec.shown.ends_with(&format!("={later}")), "{}", spec.shown);
            let (Kind::Csv(file) | Kind::Json(file)) = spec.kind else {
                panic!("{asked} is no file");
            };
            assert_eq!(file.path.to_str(), Some(later));
        }
        let server = Spec::parse("influxdb=http://db:8086/load", &|_| None).unwrap();
        assert_eq!(server.of_life(3), server);
    }
}
