//! Looks after the rules' file: loads it when it changes, on SIGHUP, or when an administrator asks, and journals what can be
//! used. Nothing else changes the rules in force.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use command_centre::JudgingError;
use ingest::{IngestHandle, Submission};
use serde::Serialize;
use serde_json::{Value, json};
use store::Store;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::laws;
use crate::rules_gate::{self, Limits, Passage, Record};
use crate::serve::RosterNow;
use crate::watch::{self, Version};

/// Attempts that wait, at most.
const ASKED_MAX: usize = 4;

/// The rules in force, and the attempts to change them.
pub struct RulesDesk {
    state: Mutex<State>,
    asks: mpsc::Sender<Ask>,
    has_file: bool,
}

struct State {
    text: String,
    /// Commit that brought them; `None` for those of the start.
    epoch: Option<u64>,
    attempts: u64,
    checking: bool,
    last: Option<Attempt>,
}

/// An attempt to change the rules.
#[derive(Debug, Clone, Serialize)]
struct Attempt {
    attempt: u64,
    /// Administrator, "SIGHUP" or "file".
    by: Box<str>,
    outcome: &'static str,
    detail: String,
    /// What the gate found, where it was passed or closed.
    gate: Option<Passage>,
    /// Commit that brought the rules, where they came into force.
    epoch: Option<u64>,
}

struct Ask {
    attempt: u64,
    by: Box<str>,
    force: bool,
}

impl RulesDesk {
    fn lock(&self) -> MutexGuard<'_, State> {
        // plain values, each set in one step
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For GET /api/v1/rules.
    pub fn told(&self) -> Value {
        let state = self.lock();
        json!({
            "hash": evaluator::rules::hash(&state.text),
            "text": state.text,
            "epoch": state.epoch,
            "checking": state.checking,
            "last": state.last,
        })
    }

    /// Why the file is not what is in force, where it was refused.
    pub fn fault(&self) -> Option<String> {
        let state = self.lock();
        let refused = state.last.as_ref().filter(|last| last.outcome == "refused")?;
        Some(format!("the rules' file was refused, those before stay in force: {}", refused.detail))
    }

    /// Begins an attempt; its number.
    pub fn ask(&self, by: &str, force: bool) -> Result<u64, JudgingError> {
        if !self.has_file {
            let detail = "the configuration names no file of rules: set [station] rules, and start again";
            return Err(JudgingError::Unavailable(detail.to_owned()));
        }
        let mut state = self.lock();
        let attempt = state.attempts + 1;
        let full =
            || JudgingError::Unavailable(format!("{ASKED_MAX} attempts wait already; look at GET /api/v1/rules"));
        self.asks.try_send(Ask { attempt, by: by.into(), force }).map_err(|_| full())?;
        (state.attempts, state.checking) = (attempt, true);
        Ok(attempt)
    }
}

/// Loads the file.
pub struct RulesKeeper {
    pub desk: Arc<RulesDesk>,
    pub ingest: IngestHandle,
    pub store: Arc<Store>,
    pub roster: RosterNow,
    pub path: Option<PathBuf>,
    /// Between two looks; `None`: only SIGHUP and the API count.
    pub every: Option<Duration>,
    pub hangup: Signal,
    pub limits: Limits,
    asks: mpsc::Receiver<Ask>,
    seen: Option<Version>,
}

/// What the keeper needs.
pub struct Parts {
    pub ingest: IngestHandle,
    pub store: Arc<Store>,
    pub roster: RosterNow,
    pub path: Option<PathBuf>,
    pub in_force: String,
    pub every: Option<Duration>,
    pub hangup: Signal,
    pub limits: Limits,
}

impl RulesKeeper {
    pub fn new(parts: Parts) -> RulesKeeper {
        let Parts { ingest, store, roster, path, in_force, every, hangup, limits } = parts;
        let (asking, asks) = mpsc::channel(ASKED_MAX);
        let state = State { text: in_force, epoch: None, attempts: 0, checking: false, last: None };
        let desk = Arc::new(RulesDesk { state: Mutex::new(state), asks: asking, has_file: path.is_some() });
        let seen = path.as_deref().and_then(watch::version_of);
        RulesKeeper { desk, ingest, store, roster, path, every, hangup, limits, asks, seen }
    }

    /// Until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let Some(path) = self.path.clone() else { return shutdown.cancelled().await };
        // what changed while the station was down passes the same gate as what changes while it runs
        if let Err(JudgingError::Unavailable(why)) = self.desk.ask("start", false) {
            tracing::error!(why, "the rules' file is not looked at");
        }
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = self.hangup.recv() => Some(("SIGHUP".into(), false)),
                Some(ask) = self.asks.recv() => {
                    self.attempt(&path, ask).await;
                    continue;
                }
                () = watch::pause(self.every) => None,
            };
            let now = watch::version_of(&path);
            if asked.is_none() && now == self.seen {
                continue;
            }
            self.seen = watch::still(&path, now).await;
            let (by, force) = asked.unwrap_or(("file".into(), false));
            let attempt = {
                let mut state = self.desk.lock();
                (state.attempts, state.checking) = (state.attempts + 1, true);
                state.attempts
            };
            self.attempt(&path, Ask { attempt, by, force }).await;
        }
    }

    async fn attempt(&self, path: &std::path::Path, ask: Ask) {
        let Ask { attempt, by, force } = ask;
        let in_force = self.desk.lock().text.clone();
        let tried = self.try_out(path.to_owned(), in_force, by.clone(), force).await;
        let mut last = Attempt { attempt, by, outcome: "refused", detail: String::new(), gate: None, epoch: None };
        match tried {
            Ok(Tried::Same) => {
                (last.outcome, last.detail) = ("same", "the file has what is in force".to_owned());
            }
            Ok(Tried::Good { text, gate }) => match self.ingest.submit(Submission::Rules(text.clone())).await {
                Ok(epoch) => {
                    let mut state = self.desk.lock();
                    (state.text, state.epoch) = (text, Some(epoch));
                    (last.outcome, last.epoch) = ("in_force", Some(epoch));
                    last.detail = gate.as_ref().map_or_else(String::new, Passage::told);
                    last.gate = gate;
                }
                Err(error) => last.detail = error.to_string(),
            },
            Ok(Tried::Lost(gate)) => {
                let fires: Vec<String> = gate.lost.iter().map(|fire| format!("{} ({})", fire.id, fire.unit)).collect();
                last.detail = format!(
                    "they would lose {} fires that people verified as real: {}; load them by force if that is meant",
                    fires.len(),
                    fires.join(", ")
                );
                last.gate = Some(gate);
            }
            Err(error) => last.detail = format!("{error:#}"),
        }
        self.tell(path, &last);
        let mut state = self.desk.lock();
        state.checking = state.attempts > attempt;
        state.last = Some(last);
    }

    fn tell(&self, path: &std::path::Path, last: &Attempt) {
        let (file, by, detail) = (path.display(), &*last.by, last.detail.as_str());
        let refused = last.outcome == "refused";
        metrics::gauge!("fenghuo_rules_file_refused").set(f64::from(u8::from(refused)));
        if refused {
            tracing::error!(%file, by, "the rules' file was refused; the rules before stay in force: {detail}");
            return;
        }
        if let Some(gate) = last.gate.as_ref().filter(|gate| gate.skipped + gate.not_reproduced + gate.lost.len() > 0) {
            tracing::warn!(%file, by, "the rules were not tried on every verified fire: {}", gate.told());
        }
        tracing::info!(%file, by, outcome = last.outcome, epoch = last.epoch, detail, "rules loaded");
    }

    /// Reads and checks, off the runtime's threads.
    async fn try_out(&self, path: PathBuf, in_force: String, by: Box<str>, force: bool) -> Result<Tried> {
        let (store, roster, limits) = (Arc::clone(&self.store), (self.roster)(), self.limits);
        let tried = tokio::task::spawn_blocking(move || {
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let new = laws::rules(&text)?;
            if is_of_file(&in_force, &text) {
                return Ok(Tried::Same);
            }
            if limits.days == 0 {
                return Ok(Tried::Good { text, gate: None });
            }
            let rules = evaluator::Rules::parse(&in_force).context("the rules in force")?;
            let record = Record { journal: &*store, ledger: &*store, checkpoints: &*store, roster, rules };
            let gate = rules_gate::pass(&record, &new, limits);
            match gate {
                Ok(gate) if gate.lost.is_empty() => Ok(Tried::Good { text, gate: Some(gate) }),
                Ok(gate) if force => {
                    let lost: Vec<String> = gate.lost.iter().map(|fire| fire.id.to_string()).collect();
                    let by: String = by.chars().filter(|c| !c.is_control()).collect();
                    let text = format!("{FORCED}{by}, losing {}\n{text}", lost.join(" "));
                    Ok(Tried::Good { text, gate: Some(gate) })
                }
                Ok(gate) => Ok(Tried::Lost(gate)),
                Err(error) if force => {
                    tracing::warn!(%error, "the record could not be judged by the new rules, which are loaded by force");
                    Ok(Tried::Good { text, gate: None })
                }
                Err(error) => Err(error.context("the record could not be judged by the new rules")),
            }
        });
        match tried.await {
            Ok(tried) => tried,
            Err(error) => bail!("checking them broke off: {error}"),
        }
    }
}

/// Begins the line that stands before rules which the gate had refused.
const FORCED: &str = "# loaded by force by ";

/// Whether the rules in force are this file's.
fn is_of_file(in_force: &str, file: &str) -> bool {
    let forced = in_force.strip_prefix(FORCED).and_then(|rest| rest.split_once('\n')).map(|(_, text)| text);
    in_force == file || forced == Some(file)
}

/// What became of a file.
enum Tried {
    Same,
    Good { text: String, gate: Option<Passage> },
    Lost(Passage),
}
