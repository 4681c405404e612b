//! Setup and teardown are each begun at most once here, whatever becomes of the lease meanwhile.

use super::*;
use proto::v1::phase_piece::Piece;
use proto::v1::{PhaseTrouble, RunPhase};

impl Played {
    fn want(&mut self, run: &str, phase: proto::v1::PhaseKind) {
        self.hear(Heard::Phase(RunPhase {
            run: run.to_owned(),
            phase: phase.into(),
        }));
    }

    /// How often a phase was begun, and how those that are over were said to have ended, since it was asked for the last time.
    fn phases(&mut self) -> (usize, Vec<PhaseTrouble>) {
        let begun = self.actions.drain(..);
        let begun = begun.filter(|action| matches!(action, Action::Phase(_)));
        let ended = self.said.drain(..).filter_map(|message| match message {
            Message::Phase(piece) => match piece.piece {
                Some(Piece::End(end)) => Some(end.trouble()),
                _ => None,
            },
            _ => None,
        });
        (begun.count(), ended.collect())
    }
}

#[test]
fn a_phase_whose_agents_lease_ran_out_is_not_said_to_be_undone() {
    use proto::v1::PhaseKind::{PhaseSetup, PhaseTeardown};
    let mut played = Played::new(|_| {});
    played.welcome();
    played.hear_part(1, 1);
    played.want("r", PhaseTeardown);
    assert_eq!(played.phases(), (1, vec![]));
    played.answers = false;
    played.until(played.now + 2 * LEASE);
    played.take(Event::Broken("cut".to_owned()));
    played.answers = true;
    played.take(Event::Dialed(Ok((welcome(0), played.now))));
    assert_eq!(played.phases(), (0, vec![]));
    // It knows nothing of the run any more, or has been told of it again.
    for knows in [false, true] {
        if knows {
            played.hear_part(2, 1);
        }
        played.want("r", PhaseTeardown);
        assert_eq!(
            played.phases(),
            (0, vec![PhaseTrouble::PhaseCut]),
            "{knows}"
        );
    }
    // What it never began is another matter.
    played.want("q", PhaseTeardown);
    assert_eq!(played.phases(), (0, vec![PhaseTrouble::PhaseUnable]));
    played.want("r", PhaseSetup);
    assert_eq!(played.phases(), (1, vec![]));
}
