//! A copy of the store while it runs.

use std::fs;
use std::path::Path;

use model::StoreError;
use rocksdb::checkpoint::Checkpoint;

use crate::error::{from_io, from_rocks};
use crate::rocks::lock;
use crate::store::Store;

const DOING: &str = "make a backup";

impl Store {
    /// Makes a copy in the folder `to`, which must not exist; [`Store::open`] opens it. Tables are hard-linked where `to` is
    /// on the same file system, so that it is cheap there. Appends go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when `to` exists or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| from_io(DOING, &error);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::create_dir(to).map_err(failed)?;
        // checkpoints first: none may be ahead of the journal that is copied after them
        {
            let _unchanged = lock(&self.checkpoints);
            let (from, into) = (self.folder.join("checkpoints"), to.join("checkpoints"));
            fs::create_dir(&into).map_err(failed)?;
            for entry in fs::read_dir(from).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                fs::copy(entry.path(), into.join(entry.file_name())).map_err(failed)?;
            }
        }
        self.with(DOING, |base| {
            let made = Checkpoint::new(&base.rocks).and_then(|checkpoint| checkpoint.create_checkpoint(to.join("db")));
            made.map_err(|error| from_rocks(DOING, &error))
        })?;
        tracing::info!(to = %to.display(), last_epoch = self.heads().last_epoch(), "backup made");
        Ok(())
    }
}
