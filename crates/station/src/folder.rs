//! The roster folder as something that several programs write: one at a time, and each file whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Whoever writes holds a lock on this file.
const LOCK: &str = ".lock";
/// Access to a file that was not there before.
const MODE: u32 = 0o640;

/// The folder, locked until this is dropped.
pub struct Locked {
    folder: PathBuf,
    _lock: File,
}

/// Waits until nobody else writes the folder.
///
/// # Errors
/// When the folder is not there or not ours to write.
pub fn lock(folder: &Path) -> Result<Locked> {
    let file = open_lock(folder).with_context(|| format!("cannot lock {}", folder.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", folder.display()))?;
    Ok(Locked { folder: folder.to_owned(), _lock: file })
}

/// Waits until nobody writes the folder, for somebody who reads several files of it. `None` where there is no lock to
/// wait for, as in a folder that nobody may write.
pub fn settled(folder: &Path) -> Option<File> {
    let file = open_lock(folder).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

fn open_lock(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(LOCK);
    match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(&path)
        }
        opened => opened,
    }
}

impl Locked {
    /// Content of a file; `None` where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read(&self.folder, name)
    }

    /// Puts new files in the place of old ones, which stay beside them as `<name>.bak`. All are written and on disk
    /// before the first is renamed: what is interrupted leaves each file either old or new.
    ///
    /// # Errors
    /// What could not be written; files that were not renamed yet are as before.
    pub fn replace(&self, files: &[(&str, Vec<u8>)]) -> Result<()> {
        let mut written = Vec::new();
        for (name, content) in files {
            let path = fs::canonicalize(self.folder.join(name)).unwrap_or_else(|_| self.folder.join(name));
            let beside = suffixed(&path, ".tmp");
            let done = write_synced(&beside, content, &path);
            written.push((path, beside));
            if let Err(error) = done {
                written.iter().for_each(|(_, beside)| drop(fs::remove_file(beside)));
                return Err(error).with_context(|| format!("cannot write {name} in {}", self.folder.display()));
            }
        }
        for (path, beside) in &written {
            keep_old(path).with_context(|| format!("cannot keep {} as .bak", path.display()))?;
            fs::rename(beside, path).with_context(|| format!("cannot replace {}", path.display()))?;
            if let Some(folder) = path.parent() {
                File::open(folder).and_then(|folder| folder.sync_all()).context("cannot sync the folder")?;
            }
        }
        Ok(())
    }
}

/// Content of a file of a folder; `None` where there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes with the access and owner of the file that it will replace.
fn write_synced(path: &Path, content: &[u8], model: &Path) -> std::io::Result<()> {
    let old = fs::metadata(model).ok();
    let mode = old.as_ref().map_or(MODE, |old| old.mode() & 0o7777);
    drop(fs::remove_file(path));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    let owner = old.or_else(|| fs::metadata(path.parent()?).ok());
    if let Some(owner) = owner {
        // only root can give a file away; for others the file is their own, as it was
        drop(std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid())));
    }
    file.write_all(content)?;
    file.sync_all()
}

fn keep_old(path: &Path) -> std::io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let (beside, kept) = (suffixed(path, ".bak.tmp"), suffixed(path, ".bak"));
    drop(fs::remove_file(&beside));
    if fs::hard_link(path, &beside).is_err() {
        fs::copy(path, &beside)?;
    }
    fs::rename(beside, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_whole_and_the_old_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let locked = lock(folder.path()).unwrap();
        locked.replace(&[("a.csv", b"new".to_vec()), ("b.csv", b"first".to_vec())]).unwrap();
        assert_eq!(locked.read("a.csv").unwrap().unwrap(), b"new");
        assert_eq!(locked.read("a.csv.bak").unwrap().unwrap(), b"old");
        assert_eq!(locked.read("b.csv").unwrap().unwrap(), b"first");
        assert_eq!(locked.read("b.csv.bak").unwrap(), None);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "access stays as it was");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "nothing half-written is left: {names:?}");
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let locked = lock(folder.path()).unwrap();
        let other = open_lock(folder.path()).unwrap();
        assert!(other.try_lock().is_err() && other.try_lock_shared().is_err());
        drop(locked);
        assert!(other.try_lock().is_ok());
    }
}
