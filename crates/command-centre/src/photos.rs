//! Where photos of alerts are kept. Their bytes are no part of the journal: what is journalled is that a photo with this
//! digest belongs to an alert, after its bytes are on disk.

use model::AlertId;
use model::alert::Photo;

/// Keeps the bytes of photos. Calls block on the disk; they are made on a blocking thread.
pub trait Photos: Send + Sync + 'static {
    /// Keeps the bytes of a photo of an alert; on disk when it returns. The same again does nothing.
    ///
    /// # Errors
    /// When the disk is full or fails.
    fn put(&self, alert: AlertId, photo: &Photo, bytes: &[u8]) -> std::io::Result<()>;

    /// The bytes of a photo of an alert; `None` where there are none.
    ///
    /// # Errors
    /// When the disk fails.
    fn get(&self, alert: AlertId, photo: &Photo) -> std::io::Result<Option<Vec<u8>>>;
}
