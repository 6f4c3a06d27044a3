//! Photos of alerts, in the data folder beside the store: `photos/<alert>/<digest>.<ending>`. A photo is on disk before
//! the act that names it is journalled, so that one which nobody journalled can be left behind: those go after a day.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::alert::Photo;
use model::{AlertId, Ledger};

/// A photo that no alert names is kept for so long: the act that names it may still be on its way.
const UNNAMED_KEPT: Duration = Duration::from_secs(86_400);
/// Files looked at in one round of upkeep; the next goes on with others.
const TIDIED_MAX: usize = 20_000;

/// The folder.
#[derive(Debug, Clone)]
pub struct Photos(PathBuf);

impl Photos {
    /// Below the folder of the store.
    pub fn of(data: &Path) -> Photos {
        Photos(data.join("photos"))
    }

    fn path(&self, alert: AlertId, photo: &Photo) -> PathBuf {
        self.0.join(alert.to_string()).join(format!("{}.{}", photo.name(), photo.media.ending()))
    }

    /// Removes photos that no alert names, and those of alerts that are no longer kept. `now_ms`: ms since 1970. How many
    /// went.
    ///
    /// # Errors
    /// When folder or ledger cannot be read.
    pub fn tidy(&self, ledger: &dyn Ledger, now_ms: u64) -> anyhow::Result<usize> {
        let folders = match fs::read_dir(&self.0) {
            Ok(folders) => folders,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let (mut seen, mut gone) = (0, 0);
        for folder in folders {
            let folder = folder?;
            let Some(id) = folder.file_name().to_str().and_then(|name| name.parse::<AlertId>().ok()) else { continue };
            let old: Vec<PathBuf> = old_files(&folder.path(), now_ms)?;
            seen += old.len();
            if old.is_empty() {
                continue;
            }
            let alert = ledger.alert(id)?;
            let named = |path: &Path| {
                let photos = alert.iter().flat_map(|alert| &alert.photos);
                photos.map(|known| self.path(id, &known.photo)).any(|known| known == path)
            };
            for path in old.into_iter().filter(|path| !named(path)) {
                fs::remove_file(&path)?;
                gone += 1;
            }
            // only an empty one goes
            let _ = fs::remove_dir(folder.path());
            if seen >= TIDIED_MAX {
                break;
            }
        }
        Ok(gone)
    }
}

/// Files of a folder that were written longer ago than [`UNNAMED_KEPT`].
fn old_files(folder: &Path, now_ms: u64) -> std::io::Result<Vec<PathBuf>> {
    let before_ms = u128::from(now_ms).saturating_sub(UNNAMED_KEPT.as_millis());
    let mut old = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let written = entry.metadata()?.modified()?;
        let written_ms = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
        if written_ms < before_ms {
            old.push(entry.path());
        }
    }
    old.sort_unstable();
    Ok(old)
}

impl command_centre::Photos for Photos {
    fn put(&self, alert: AlertId, photo: &Photo, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.path(alert, photo);
        let folder = path.parent().expect("it was joined to one");
        fs::create_dir_all(folder)?;
        // under its own name only when it is whole; the name is the digest, so whoever writes it writes the same
        let beside = path.with_extension(format!("{:?}.tmp", std::thread::current().id()));
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        for folder in [folder, &*self.0] {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn get(&self, alert: AlertId, photo: &Photo) -> std::io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(alert, photo)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use command_centre::Photos as _;
    use model::alert::{Mark, Media, PhotoMark};
    use model::{Alert, Clock as _, Colour, Commit, Family, Journal as _, LedgerBatch, UnitId};
    use store::Store;

    use super::*;

    #[test]
    fn a_photo_is_kept_as_long_as_its_alert_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), store::Settings::default()).unwrap();
        let photos = Photos::of(folder.path());
        let id = AlertId { epoch: 1, unit: UnitId(0), family: Family::Fire };
        let photo = |byte: u8| Photo { sha256: [byte; 32], media: Media::Jpeg, bytes: 3 };
        let mut alert = Alert::new(id, Colour::Red, "331083001001001".parse().unwrap(), 1);
        alert.photos.push(PhotoMark { photo: photo(1), by: Mark::by("G1", 1) });
        store.append(&Commit { epoch: 1, at_ms: 1, ..Commit::default() }, &[], &[]).unwrap();
        let batch = LedgerBatch { epoch: 1, at_ms: 1, alerts: vec![Arc::new(alert)], ..LedgerBatch::default() };
        store.commit(&batch).unwrap();
        let gone = AlertId { epoch: 2, ..id };
        photos.put(id, &photo(1), b"one").unwrap();
        photos.put(id, &photo(1), b"one").unwrap();
        photos.put(id, &photo(2), b"two").unwrap();
        photos.put(gone, &photo(1), b"one").unwrap();
        assert_eq!(photos.get(id, &photo(1)).unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(photos.get(id, &photo(3)).unwrap(), None);
        let now = crate::clock::WallClock.now_ms();
        assert_eq!(photos.tidy(&store, now + 3_600_000).unwrap(), 0, "they may still be named");
        assert_eq!(photos.tidy(&store, now + 90_000_000).unwrap(), 2);
        assert_eq!(photos.get(id, &photo(1)).unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(photos.get(id, &photo(2)).unwrap(), None);
        assert!(!photos.0.join(gone.to_string()).exists(), "an empty folder goes too");
    }
}
