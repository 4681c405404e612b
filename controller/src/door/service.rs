//! Enrolling and renewing: a token, or a certificate that still holds, for a short-lived certificate.

use super::authority::Authority;
use super::books::Refusal;
use super::gate::{Gate, Office};
use super::peer::Peer;
use crate::clock;
use crate::refusals::Refusals;
use crate::service_fleet::mismatch;
use proto::PROTOCOL;
use proto::v1::door_server::Door;
use proto::v1::{EnrolRequest, Enrolled, PeerRole, RenewRequest};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use trust::identity::clean;
use trust::{Identity, Role, SigningRequest};

/// Requests that are worked on at once.
const AT_ONCE: usize = 8;

/// The service.
#[derive(Debug)]
pub(crate) struct DoorService {
    gates: Vec<Arc<Gate>>,
    version: String,
    /// Strangers take turns, so that many of them do not take every thread.
    turns: Semaphore,
    refusals: Arc<Refusals>,
}

impl DoorService {
    /// One that signs for the gates that sign.
    pub(crate) fn new(gates: Vec<Arc<Gate>>, version: String, refusals: Arc<Refusals>) -> Self {
        Self {
            gates,
            version,
            turns: Semaphore::new(AT_ONCE),
            refusals,
        }
    }

    /// The gate that signs. There is at most one: a process has one state directory.
    fn gate(&self) -> Result<Arc<Gate>, Status> {
        let signs = self.gates.iter().find(|gate| gate.office().is_some());
        signs.cloned().ok_or_else(|| {
            Status::failed_precondition(match self.gates.is_empty() {
                true => "this controller speaks clear text and takes no tokens: leave the token out",
                false => "this controller's certificates come from files (--tls-cert), so it takes no tokens: get a certificate from the same CA",
            })
        })
    }

    /// Signing is arithmetic and the book is on a disk: neither is for the threads that answer heartbeats.
    async fn sign(
        &self,
        work: impl FnOnce(&Office) -> Result<Enrolled, Status> + Send + 'static,
    ) -> Result<Response<Enrolled>, Status> {
        let gate = self.gate()?;
        let ending = |_| Status::unavailable("the controller is ending");
        let _turn = self.turns.acquire().await.map_err(ending)?;
        let done = tokio::task::spawn_blocking(move || match gate.office() {
            Some(office) => work(office),
            None => Err(Status::internal("a gate that does not sign")),
        });
        done.await
            .map_err(|error| Status::internal(format!("signing broke: {error}")))?
            .map(Response::new)
    }
}

#[tonic::async_trait]
impl Door for DoorService {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<Enrolled>, Status> {
        let peer = peer(&request)?;
        let from = peer.address();
        let done = self.enrolled(request.into_inner(), peer).await;
        self.noted(from, done)
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Enrolled>, Status> {
        let peer = peer(&request)?;
        let request = request.into_inner();
        let Some(identity) = peer.identity().cloned() else {
            return Err(Status::unauthenticated(
                "only the holder of a certificate can renew it",
            ));
        };
        let done = self.sign(move |office| renew(office, &request, &identity));
        self.noted(peer.address(), done.await)
    }
}

impl DoorService {
    /// Notes whoever was refused.
    fn noted<T>(&self, from: SocketAddr, done: Result<T, Status>) -> Result<T, Status> {
        done.inspect_err(|status| self.refusals.note(clock::now(), from, status.message()))
    }

    async fn enrolled(
        &self,
        request: EnrolRequest,
        peer: Peer,
    ) -> Result<Response<Enrolled>, Status> {
        if request.protocol != PROTOCOL {
            return Err(Status::failed_precondition(mismatch(
                "peer",
                request.protocol,
                "of another version",
                &self.version,
            )));
        }
        if matches!(peer, Peer::Anybody(_)) {
            return Err(Status::failed_precondition(
                "a token is not for a clear-text connection",
            ));
        }
        self.sign(move |office| enrol(office, &request, &peer))
            .await
    }
}

fn peer<T>(request: &Request<T>) -> Result<Peer, Status> {
    let peer = request.extensions().get::<Peer>().cloned();
    peer.ok_or_else(|| Status::internal("a connection that did not come through the door"))
}

fn enrol(office: &Office, request: &EnrolRequest, peer: &Peer) -> Result<Enrolled, Status> {
    let role = match request.role() {
        PeerRole::RoleAgent => Role::Agent,
        PeerRole::RoleOperator => Role::Operator,
        PeerRole::RoleNone => return Err(Status::invalid_argument("no role was asked for")),
    };
    // Before the token is used: a request that cannot be signed costs nothing.
    let signing = SigningRequest::read(&request.request).map_err(Status::invalid_argument)?;
    let admitted = office.books.admit(
        &request.token,
        &request.secret,
        role,
        signing.key(),
        clock::unix_ms(),
    );
    if let Err(refusal) = admitted {
        tracing::warn!(peer = %peer.address(), "not enrolled: {refusal}");
        return Err(match refusal {
            Refusal::Book => Status::internal(refusal.to_string()),
            refusal => Status::unauthenticated(refusal.to_string()),
        });
    }
    let internal = |error: super::Trouble| Status::internal(error.to_string());
    let identity = Identity {
        role,
        name: clean(&request.name),
        mark: Authority::mark(&request.token).map_err(internal)?,
    };
    let enrolled = given(office, &signing, &identity)?;
    tracing::info!(peer = %peer.address(), name = identity.name, role = role.word(), "enrolled");
    Ok(enrolled)
}

fn renew(office: &Office, request: &RenewRequest, identity: &Identity) -> Result<Enrolled, Status> {
    if office.books.is_revoked(&identity.mark) {
        tracing::warn!(name = identity.name, "not renewed: its token was revoked");
        return Err(Status::unauthenticated(format!(
            "the token that {} came in with was revoked",
            identity.name
        )));
    }
    let signing = SigningRequest::read(&request.request).map_err(Status::invalid_argument)?;
    tracing::debug!(name = identity.name, "certificate renewed");
    given(office, &signing, identity)
}

fn given(
    office: &Office,
    signing: &SigningRequest,
    identity: &Identity,
) -> Result<Enrolled, Status> {
    let certificate = office
        .authority
        .sign(signing, identity, office.lifetime)
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(Enrolled {
        certificate: certificate.to_vec(),
        authority: office.authority.certificate().to_vec(),
        lifetime_ms: u64::try_from(office.lifetime.as_millis()).unwrap_or(u64::MAX),
        name: identity.name.clone(),
    })
}
