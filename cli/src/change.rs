//! What `pause`, `resume`, `scale`, `annotate` and the live view's keys have in common: asking for a change of a run, and saying from when it
//! holds.

use crate::args::Remote;
use crate::error::Error;
use controller::change::run_clock;
use proto::v1::{ChangeReply, ChangeRequest, change_request::Change};

/// Asks for a change and prints what comes of it.
///
/// # Errors
/// `NoSuchRun`, `Refused`, or `Unreachable`.
pub(crate) async fn ask(remote: &Remote, run: &str, change: Change) -> Result<u8, Error> {
    let note = matches!(change, Change::Annotate(_));
    let request = ChangeRequest {
        run: run.to_owned(),
        who: who(),
        change: Some(change),
        asked_unix_ms: 0,
    };
    let mut control = remote.connect().await?;
    let reply = control.change(request).await?;
    let sentence = if note {
        format!("{} at {} of run time", reply.text, run_clock(reply.from_ns))
    } else {
        sentence(&reply)
    };
    println!("run {run}: {sentence}");
    Ok(0)
}

/// Whoever sits at the command line, for the report.
pub(crate) fn who() -> String {
    let name = ["USER", "LOGNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok())
        .filter(|name| !name.is_empty());
    name.map_or_else(|| "cli".to_owned(), |name| format!("{name} (cli)"))
}

/// What changes, and from when on.
pub(crate) fn sentence(reply: &ChangeReply) -> String {
    let now = u64::try_from(reply.run_ns).unwrap_or(0);
    let agents = match reply.agents {
        1 => "1 agent".to_owned(),
        count => format!("{count} agents"),
    };
    format!(
        "{} from {} of run time on (now {}; {agents})",
        reply.text,
        run_clock(reply.from_ns),
        run_clock(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_from_when_the_change_holds() {
        let reply = ChangeReply {
            version: 3,
            from_ns: 12_400_000_000,
            run_ns: 11_400_000_000,
            text: "main scaled to 1.5 × its curve".to_owned(),
            agents: 2,
        };
        assert_eq!(
            sentence(&reply),
            "main scaled to 1.5 × its curve from 00:12.4 of run time on (now 00:11.4; 2 agents)"
        );
    }
}
