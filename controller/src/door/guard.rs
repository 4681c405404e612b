//! Which role may call which service. Asked for every call, of the connection's verified certificate.

use super::books::Books;
use super::gate::{Door, Gate};
use super::peer::Peer;
use crate::clock;
use crate::refusals::Refusals;
use std::sync::Arc;
use tonic::{Request, Status};
use trust::Role;

/// Lets in whoever may be this, and says why not to others.
pub(crate) fn only(
    role: Role,
    gates: Vec<Arc<Gate>>,
    refusals: Arc<Refusals>,
) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |request| {
        let books = gates.iter().filter_map(|gate| Some(&gate.office()?.books));
        match request.extensions().get::<Peer>() {
            Some(peer) => match judge(role, peer, books) {
                Ok(()) => Ok(request),
                Err(status) => {
                    refusals.note(clock::now(), peer.address(), status.message());
                    Err(status)
                }
            },
            // Every connection comes through `accept`, which says who it is.
            None => Err(Status::internal(
                "a connection that did not come through the door",
            )),
        }
    }
}

/// The gates among doors.
pub(crate) fn gates<'a>(doors: impl Iterator<Item = &'a Door>) -> Vec<Arc<Gate>> {
    let gate = |door: &Door| match door {
        Door::Open => None,
        Door::Tls(gate) => Some(Arc::clone(gate)),
    };
    doors.filter_map(gate).collect()
}

fn judge<'a>(
    role: Role,
    peer: &Peer,
    mut books: impl Iterator<Item = &'a Books>,
) -> Result<(), Status> {
    let refuse = |status: Status| {
        tracing::warn!(peer = %peer.address(), "refused: {}", status.message());
        Err(status)
    };
    match peer {
        Peer::Anybody(_) => Ok(()),
        Peer::Stranger(_) => refuse(Status::unauthenticated(
            "no certificate was shown: enrol with a join token (--join-file, THRONG_JOIN)",
        )),
        Peer::Known(who, _) if who.role != role => refuse(Status::permission_denied(format!(
            "the certificate of {} is an {}'s, and only an {role} may do this",
            who.name, who.role
        ))),
        Peer::Known(who, _) if books.any(|book| book.is_revoked(&who.mark)) => {
            refuse(Status::unauthenticated(format!(
                "the token that {} came in with was revoked",
                who.name
            )))
        }
        Peer::Known(..) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tonic::Code;
    use trust::Identity;

    #[test]
    fn an_agent_is_no_operator_nor_the_other_way_round() {
        let address = ([10, 0, 0, 1], 5).into();
        let known = |role| {
            let name = "a".to_owned();
            let mark = String::new();
            Peer::Known(Arc::new(Identity { role, name, mark }), address)
        };
        let table = [
            (Role::Agent, known(Role::Agent), None),
            (Role::Operator, known(Role::Operator), None),
            (
                Role::Agent,
                known(Role::Operator),
                Some(Code::PermissionDenied),
            ),
            (
                Role::Operator,
                known(Role::Agent),
                Some(Code::PermissionDenied),
            ),
            (
                Role::Agent,
                Peer::Stranger(address),
                Some(Code::Unauthenticated),
            ),
            (
                Role::Operator,
                Peer::Stranger(address),
                Some(Code::Unauthenticated),
            ),
            (Role::Operator, Peer::Anybody(address), None),
        ];
        for (role, peer, wanted) in table {
            let judged = judge(role, &peer, std::iter::empty());
            assert_eq!(
                judged.err().map(|status| status.code()),
                wanted,
                "{role} {peer:?}"
            );
        }
        let bare = only(Role::Agent, vec![], Arc::default())(Request::new(())).unwrap_err();
        assert_eq!(bare.code(), Code::Internal);
    }
}
