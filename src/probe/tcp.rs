//! The kind `tcp`: a connection that is accepted, and hands that are shaken where TLS is asked for.
//!
//! Nothing is sent and nothing is waited for: what a server says first differs by protocol.

use super::dial::{Endpoint, dial};
use super::outcome::{Fault, Trace};

/// Looks once.
pub(super) async fn run(endpoint: &Endpoint, trace: &mut Trace<'_>) -> Result<(), Fault> {
    dial(endpoint, trace).await.map(drop)
}
