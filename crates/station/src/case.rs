//! Checks a case file without the station: whether its history is what was written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use model::AlertId;
use model::alert::HistoryItem;
use model::chain::{self, Broken, Digest, Trimmed, Trims};
use serde::Deserialize;

/// What of a case file is checked; the rest may be anything.
#[derive(Deserialize)]
struct CaseFile {
    format: String,
    alert: Named,
    chain: Chain,
}

#[derive(Deserialize)]
struct Named {
    id: AlertId,
    photos: Vec<Photo>,
    notes: Vec<Note>,
}

#[derive(Deserialize)]
struct Photo {
    sha256: String,
}

#[derive(Deserialize)]
struct Note {
    note: Option<String>,
}

#[derive(Deserialize)]
struct Chain {
    trimmed_people: TrimmedText,
    trimmed_station: TrimmedText,
    items: Vec<Item>,
    seal: String,
}

#[derive(Deserialize)]
struct TrimmedText {
    count: u32,
    hash: String,
}

#[derive(Deserialize)]
struct Item {
    number: u32,
    at_ms: u64,
    epoch: u64,
    what: Box<str>,
    by: Box<str>,
    note: Option<Box<str>>,
    command: Option<String>,
    hash: String,
}

/// What a sound file came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Sound {
    pub alert: AlertId,
    pub items: usize,
    pub trimmed: u32,
    pub seal: String,
}

/// Checks the file at `path`.
///
/// # Errors
/// A file that cannot be read, or the first item that is not what was written.
pub fn verify(path: &Path) -> Result<Sound> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    check(&text).with_context(|| format!("{} is not sound", path.display()))
}

fn check(text: &[u8]) -> Result<Sound> {
    let file: CaseFile = serde_json::from_slice(text).context("it is no case file")?;
    if file.format != "fenghuo-case-1" {
        bail!("its format is {:?}, this build reads fenghuo-case-1", file.format);
    }
    let history = file.chain.items.into_iter().map(Item::read).collect::<Result<Vec<HistoryItem>>>()?;
    let trims = Trims { people: file.chain.trimmed_people.read()?, station: file.chain.trimmed_station.read()? };
    let seal = chain::hex(&chain::verify(file.alert.id, &history, &trims)?);
    if seal != file.chain.seal {
        return Err(Broken::Seal { expected: file.chain.seal, found: seal }.into());
    }
    let said = |words: &str| history.iter().any(|item| item.note.as_ref().is_some_and(|note| note.contains(words)));
    if trims.people.count == 0 {
        let photo = file.alert.photos.iter().find(|photo| !said(&photo.sha256));
        if let Some(photo) = photo {
            bail!("the photo {} is in the file, and the history does not know it", photo.sha256);
        }
        let note = file.alert.notes.iter().filter_map(|note| note.note.as_deref()).find(|note| !said(note));
        if let Some(note) = note {
            bail!("the note {note:?} is in the file, and the history does not know it");
        }
    }
    let trimmed = trims.people.count + trims.station.count;
    Ok(Sound { alert: file.alert.id, items: history.len(), trimmed, seal })
}

fn digest(text: &str) -> Result<Digest> {
    chain::unhex(text).with_context(|| format!("{text:?} is no SHA-256 digest in hexadecimal"))
}

impl TrimmedText {
    fn read(&self) -> Result<Trimmed> {
        Ok(Trimmed { count: self.count, hash: digest(&self.hash)? })
    }
}

impl Item {
    fn read(self) -> Result<HistoryItem> {
        let Item { number, at_ms, epoch, what, by, note, command, hash } = self;
        let tag = |text: String| {
            u64::from_str_radix(&text, 16).with_context(|| format!("item {number}: {text:?} is no command's tag"))
        };
        let (command, hash) = (command.map(tag).transpose()?, digest(&hash)?);
        Ok(HistoryItem { number, at_ms, epoch, what, by, note, command, hash })
    }
}
