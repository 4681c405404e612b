//! `throng agents`: who is in the fleet, and who was refused lately.

use crate::args::Remote;
use crate::error::Error;
use crate::progress::duration;
use crate::table::Table;
use proto::v1::{AgentInfo, RefusedPeer};

/// `throng agents`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Prints the agents, one a line.
///
/// # Errors
/// `Unreachable` when there is no controller.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let fleet = args.remote.connect().await?.agents().await?;
    print!("{}{}", table(&fleet.agents), refused(&fleet.refused));
    Ok(0)
}

fn table(agents: &[AgentInfo]) -> String {
    if agents.is_empty() {
        return "no agents; start one with `throng agent --controller URL`\n".to_owned();
    }
    let mut table = Table::new([
        "NAME", "HOST", "WORKERS", "CORES", "VERSION", "RTT", "HEARD", "RUN", "LABELS",
    ]);
    for agent in agents {
        let mut labels: Vec<String> = agent
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        labels.sort();
        table.row([
            agent.name.clone(),
            agent.host.clone(),
            agent.workers.to_string(),
            agent.cores.to_string(),
            agent.version.clone(),
            if agent.rtt_ns == 0 {
                "-".to_owned()
            } else {
                duration(agent.rtt_ns)
            },
            format!(
                "{} ago",
                duration(agent.heard_ms_ago.saturating_mul(1_000_000))
            ),
            if agent.run.is_empty() {
                "-".to_owned()
            } else {
                agent.run.clone()
            },
            labels.join(","),
        ]);
    }
    table.to_string()
}

/// Those who did not come in; nothing where there are none.
fn refused(peers: &[RefusedPeer]) -> String {
    if peers.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["REFUSED", "FROM", "TIMES", "WHY"]);
    for peer in peers {
        table.row([
            format!("{} ago", duration(peer.ms_ago.saturating_mul(1_000_000))),
            printable(&peer.address),
            peer.times.to_string(),
            printable(&peer.reason),
        ]);
    }
    format!("\n{table}")
}

/// Without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_of_two() {
        let agents = [
            AgentInfo {
                name: "a".into(),
                host: "blue".into(),
                version: "0.1.0".into(),
                labels: [
                    ("zone".to_owned(), "b".to_owned()),
                    ("rack".to_owned(), "7".to_owned()),
                ]
                .into(),
                cores: 8,
                workers: 8,
                rtt_ns: 184_000,
                heard_ms_ago: 312,
                run: "r1".into(),
                ..AgentInfo::default()
            },
            AgentInfo {
                name: "longer-name".into(),
                host: "c".into(),
                version: "0.1.0".into(),
                cores: 2,
                workers: 1,
                ..AgentInfo::default()
            },
        ];
        insta::assert_snapshot!(table(&agents), @r"
        NAME         HOST  WORKERS  CORES  VERSION  RTT    HEARD       RUN  LABELS
        a            blue  8        8      0.1.0    184µs  312ms ago   r1   rack=7,zone=b
        longer-name  c     1        2      0.1.0    -      0.00µs ago  -
        ");
    }

    #[test]
    fn whoever_was_refused_stands_below_with_the_reason() {
        assert_eq!(refused(&[]), "");
        let peer = |address: &str, reason: &str, times, ms_ago| RefusedPeer {
            address: address.into(),
            reason: reason.into(),
            times,
            ms_ago,
        };
        let peers = [
            peer(
                "10.0.0.7:43120",
                "the agent is throng 0.0.9\u{1b}[2J (protocol 3)",
                12,
                3_200,
            ),
            peer("[::1]:5", "no such token", 1, 61_000),
        ];
        let told = refused(&peers);
        let lines: Vec<Vec<&str>> = told
            .lines()
            .map(|line| {
                line.split("  ")
                    .filter(|cell| !cell.is_empty())
                    .map(str::trim)
                    .collect()
            })
            .collect();
        assert_eq!(lines[1], ["REFUSED", "FROM", "TIMES", "WHY"]);
        assert_eq!(
            lines[2][1..],
            [
                "10.0.0.7:43120",
                "12",
                "the agent is throng 0.0.9[2J (protocol 3)"
            ]
        );
        assert_eq!(lines[3][1..], ["[::1]:5", "1", "no such token"]);
        assert!(lines[2][0].ends_with("s ago"), "{told}");
    }
}
