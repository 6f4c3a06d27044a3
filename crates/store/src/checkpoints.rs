//! Checkpoints: a file each, `stage.epoch`, written beside and renamed, with a checksum.
//!
//! A file is written in pieces, each synced before the next, so that the sync of an append never waits behind more than
//! one piece of a checkpoint.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use model::{Checkpoints, Epoch, StoreError};
use sha2::{Digest, Sha256};

use crate::error::{damaged, from_io};
use crate::rocks::lock;
use crate::store::Store;

const KEEPING: &str = "keep a checkpoint";
const FINDING: &str = "find a checkpoint";
const MAGIC: &[u8; 8] = b"fhckpt 1";
const HEAD_LEN: usize = MAGIC.len() + 8 + 32;
const PIECE_BYTES: usize = 1024 * 1024;
const UNFINISHED: &str = ".part";

impl Checkpoints for Store {
    fn put(&self, stage: &str, epoch: Epoch, bytes: &[u8]) -> Result<(), StoreError> {
        let fits = !stage.is_empty() && stage.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !fits {
            return Err(damaged(KEEPING, format!("stage {stage:?} must be a word of letters, digits, - and _")));
        }
        self.ours_to_write(KEEPING)?;
        let last = self.heads().last_epoch();
        if epoch > last {
            return Err(StoreError::OutOfOrder { given: epoch, expected: last });
        }
        let _one_at_a_time = lock(&self.checkpoints);
        let folder = self.folder.join("checkpoints");
        let path = folder.join(format!("{stage}.{epoch:020}"));
        let unfinished = folder.join(format!("{stage}.{epoch:020}{UNFINISHED}"));
        let written = write(&unfinished, epoch, bytes).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written.and_then(|()| File::open(&folder)?.sync_all()) {
            // a part that cannot be removed now is removed on the next opening
            let _ = fs::remove_file(&unfinished);
            return Err(from_io(KEEPING, &error));
        }
        for (_, old) in
            list(&folder, stage).map_err(|e| from_io(KEEPING, &e))?.into_iter().rev().skip(model::ledger::KEPT)
        {
            fs::remove_file(old).map_err(|error| from_io(KEEPING, &error))?;
        }
        metrics::counter!("fenghuo_store_checkpoint_bytes_total", "stage" => stage.to_owned())
            .increment(bytes.len() as u64);
        Ok(())
    }

    /// A checkpoint whose checksum is wrong is passed over for the one before it.
    fn newest(&self, stage: &str, at_most: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        let folder = self.folder.join("checkpoints");
        let files = list(&folder, stage).map_err(|error| from_io(FINDING, &error))?;
        for (epoch, path) in files.into_iter().rev().filter(|(epoch, _)| *epoch <= at_most) {
            match read(&path, epoch).map_err(|error| from_io(FINDING, &error))? {
                Some(bytes) => return Ok(Some((epoch, bytes))),
                None => tracing::warn!(path = %path.display(), "a damaged checkpoint is passed over for an older one"),
            }
        }
        Ok(None)
    }
}

impl Store {
    /// Removes what a crash left unfinished.
    pub(crate) fn tidy_checkpoints(&self) -> Result<(), StoreError> {
        const DOING: &str = "tidy the checkpoints";
        let entries = fs::read_dir(self.folder.join("checkpoints")).map_err(|error| from_io(DOING, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| from_io(DOING, &error))?.path();
            if path.to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(path).map_err(|error| from_io(DOING, &error))?;
            }
        }
        Ok(())
    }
}

/// The finished checkpoints of a stage, oldest first.
fn list(folder: &Path, stage: &str) -> std::io::Result<Vec<(Epoch, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let epoch = name.to_str().and_then(|name| name.strip_prefix(stage)?.strip_prefix('.')?.parse().ok());
        found.extend(epoch.map(|epoch: Epoch| (epoch, entry.path())));
    }
    found.sort_unstable();
    Ok(found)
}

fn checksum(epoch: Epoch, bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(epoch.to_be_bytes());
    hash.update(bytes);
    hash.finalize().into()
}

fn write(path: &Path, epoch: Epoch, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&epoch.to_be_bytes())?;
    file.write_all(&checksum(epoch, bytes))?;
    for piece in bytes.chunks(PIECE_BYTES) {
        file.write_all(piece)?;
        file.sync_data()?;
    }
    file.sync_all()
}

/// The state in a file; `None` when it is not whole.
fn read(path: &Path, epoch: Epoch) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = fs::read(path)?;
    let whole = bytes.len() >= HEAD_LEN
        && bytes.starts_with(MAGIC)
        && bytes[8..16] == epoch.to_be_bytes()
        && bytes[16..HEAD_LEN] == checksum(epoch, &bytes[HEAD_LEN..]);
    Ok(whole.then(|| bytes.split_off(HEAD_LEN)))
}
