//! The report equals what truly happened: throng's counts beside the demo's ledger, to the request, for any number of agents.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Demo, Folder, repository, run};
use crate::counts::{checks, count, ledger, reported};

#[test]
fn every_request_is_in_the_report_once_for_1_3_and_7_agents() {
    for agents in ["1", "3", "7"] {
        let demo = Demo::fast();
        let folder = Folder::new(&format!("ledger-{agents}"));
        let said = run(&[
            "run",
            &repository("cli/tests/scenarios/rush.yaml"),
            "--base-url",
            &demo.url(),
            "--agents",
            agents,
            "--summary",
            &folder.file("s.json"),
            "--compat",
            "k6",
        ]);
        said.ran();
        let summary = folder.json("s.json");
        let truth = demo.ledger();
        let wanted = ledger(&truth);
        assert_eq!(reported(&summary), wanted, "{agents} agents");
        assert_eq!(
            count(&summary, "http_reqs"),
            truth["requests"].as_u64().unwrap()
        );
        assert_eq!(
            summary["agents"].as_array().unwrap().len().to_string(),
            agents
        );

        // Each route has a check for its status, and one step asks without a token on purpose.
        let checks = checks(&summary);
        let of = |name: &str, status: &str| {
            wanted
                .iter()
                .filter(|((route, s), _)| route.ends_with(name) && s == status)
                .map(|(_, n)| n)
                .sum::<u64>()
        };
        assert_eq!(checks["Token fetched"], (of("/position", "200"), 0));
        assert_eq!(
            checks["Seats availability checked"],
            (of("/seats", "200"), of("/seats", "401"))
        );
        assert_eq!(checks["Payment completed"].0, of("/payment", "200"));
        assert!(of("/seats", "401") > 0, "the test must see failures, too");
        assert_eq!(
            truth["seats_sold"].as_u64().unwrap(),
            checks["Payment completed"].0
        );
    }
}
