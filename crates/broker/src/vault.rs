//! Where sessions, their messages and retained messages live across a restart. This crate says what to keep, as keys
//! and values; another writes it to a disk.

/// A store of small values under byte keys.
pub trait Vault: Send + Sync + 'static {
    /// Calls `each` with every key and value, in the order of the keys. Called once, before the port opens.
    ///
    /// # Errors
    /// [`VaultError`] when they cannot be read.
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), VaultError>;

    /// Writes all changes or none, in their order. They are on the disk (fsynced) when this returns.
    ///
    /// # Errors
    /// [`VaultError`] when the disk is full or fails; nothing was written and the same write may be tried again.
    fn write(&self, changes: &[Change]) -> Result<(), VaultError>;
}

/// One key's new value; `None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// At most 1,024 bytes.
    pub key: Box<[u8]>,
    /// The value, or nothing to remove the key.
    pub value: Option<Box<[u8]>>,
}

/// Why the vault could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("sessions cannot be kept: {0}")]
pub struct VaultError(pub String);
