//! How far a webhook is, in a file of its own: whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Cursor;
use tokio::time::Instant;

/// Everything up to `position` was taken by the receiver, or is none of its business.
pub struct Mark {
    path: PathBuf,
    position: Cursor,
    saved: Cursor,
    saved_at: Instant,
}

impl Mark {
    /// The mark as it was left, or a new one at `begin`, which is on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds no cursor.
    pub fn open(folder: &Path, name: &str, begin: Cursor) -> io::Result<Mark> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.cursor"));
        let position = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| {
                let advice = format!("{} holds no cursor: remove it, and the webhook begins anew", path.display());
                io::Error::new(ErrorKind::InvalidData, advice)
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                write(&path, begin)?;
                begin
            }
            Err(error) => return Err(error),
        };
        Ok(Mark { path, position, saved: position, saved_at: Instant::now() })
    }

    pub fn position(&self) -> Cursor {
        self.position
    }

    pub fn set(&mut self, position: Cursor) {
        self.position = position;
    }

    /// When it has to be written down, if it has changed.
    pub fn due(&self, every: Duration) -> Option<Instant> {
        (self.position != self.saved).then(|| self.saved_at + every)
    }

    /// Writes it down, if it has changed. One that cannot be written is tried again later: until then a crash would send again
    /// what was sent.
    pub async fn save(&mut self) {
        if self.position == self.saved {
            return;
        }
        let (path, position) = (self.path.clone(), self.position);
        let written = tokio::task::spawn_blocking(move || write(&path, position)).await;
        self.saved_at = Instant::now();
        match written.map_err(io::Error::other).and_then(|written| written) {
            Ok(()) => self.saved = position,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "how far a webhook is cannot be written down: look at the disk");
            }
        }
    }
}

fn write(path: &Path, position: Cursor) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside)?;
    file.write_all(format!("{position}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
