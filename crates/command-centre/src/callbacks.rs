//! What people say without signing in: by pressing a digit in a call, or a button on the page that a link in a message
//! leads to. The token that went out with the message is the proof.

use async_trait::async_trait;
use model::{DeliveryId, Matter, Receipt};

use crate::actions::ActionError;

/// Reads tokens, and journals that a message was read.
#[async_trait]
pub trait Callbacks: Send + Sync + 'static {
    /// The delivery that a token names; `None`: it is not one that this station gave out.
    fn named(&self, token: &str) -> Option<(Matter, DeliveryId)>;

    /// Journals that a person has a delivery before them; returns when the journal holds it.
    ///
    /// # Errors
    /// [`ActionError`] when it could not be journalled.
    async fn read(&self, receipt: Receipt) -> Result<(), ActionError>;
}
