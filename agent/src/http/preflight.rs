//! Can the target be reached at all? Resolves, connects, and shakes hands, but asks for nothing.

use super::connect::{Marks, open};
use super::failure::Failure;
use super::shared::Shared;
use super::wire::Traffic;
use std::rc::Rc;
use std::time::Duration;
use url::Url;

/// Opens a connection to `url`'s origin (name, TCP, TLS) and closes it again, without sending a request.
///
/// # Errors
/// What failed, and its text (at most 200 characters).
pub async fn preflight(
    shared: &Shared,
    url: &Url,
    timeout: Duration,
) -> Result<(), (Failure, String)> {
    let (traffic, mut marks) = (Rc::<Traffic>::default(), Marks::default());
    match tokio::time::timeout(timeout, open(shared, url, &traffic, &mut marks)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(fault)) => Err((fault.failure, fault.detail)),
        Err(_) => Err((
            Failure::Timeout,
            format!(
                "no connection to {} within {timeout:?}",
                url.host_str().unwrap_or_default()
            ),
        )),
    }
}
