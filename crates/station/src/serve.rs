//! The join: every stage, in the order of the journey, and the end in the order of the drain. Decides nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use broker::Broker;
use command_centre::CommandCentre;
use ingest::{Ingest, IngestHandle, Submission};
use metrics_exporter_prometheus::PrometheusHandle;
use model::roster::{RosterFault, RosterRows};
use model::{Clock, Journal, Ledger, Roster};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

use crate::access::Gate;
use crate::actions::{Acts, Tokens};
use crate::clock::WallClock;
use crate::config::Config;
use crate::core::{Core, STEPS};
use crate::credentials::Credentials;
use crate::desk;
use crate::devices::{Heard, Moved};
use crate::front::{Clients, tell_listening};
use crate::judging::Judge;
use crate::laws::Laws;
use crate::outlets::{self, BrokerOutlet, Receipts};
use crate::photos::Photos;
use crate::process::{Signals, files_for};
use crate::refusals::Refusals;
use crate::rules_gate::Limits;
use crate::rules_keeper::{self, RulesKeeper};
use crate::vendors::Vendors;
use crate::watch::{self, Watch};
use crate::{auditor, push, roster_files, upkeep};

/// The roster in force, for whoever asks.
pub type RosterNow = Arc<dyn Fn() -> Arc<Roster> + Send + Sync>;

/// Reads the roster folder.
///
/// # Errors
/// Its first faults, with their lines.
pub fn read_roster(folder: &Path) -> Result<RosterRows> {
    roster_files::read(folder)
        .map_err(|faults| told(&faults))
        .with_context(|| format!("the roster in {}", folder.display()))
}

/// Faults as one error for the person at the terminal.
pub fn told(faults: &[RosterFault]) -> anyhow::Error {
    let shown: Vec<String> = faults.iter().take(roster_files::FAULTS_TOLD_MAX).map(ToString::to_string).collect();
    anyhow!("{} faults:\n{}", faults.len(), shown.join("\n"))
}

/// Runs the station until a signal ends it.
///
/// # Errors
/// Why it did not start or did not end well.
pub fn run(config: Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("fenghuo").build()?;
    let ended = runtime.block_on(serve(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(config: Config) -> Result<()> {
    let mut stop = Signals::new()?;
    let metrics = crate::telemetry::recorder()?;
    let laws = Laws::read(&config.station)?;
    let seen = watch::version(&config.station.roster);
    let credentials = Credentials::read(&config.station.roster)?;
    let rows = read_roster(&config.station.roster)?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock);

    files_for(config.mqtt.max_connections);
    let mut core = Core::start(&config)?;
    let view = Arc::clone(&core.view);
    let roster_now: RosterNow = Arc::new(move || view.roster());
    let gate = gate(&config, credentials, &clock)?;

    let (broker, inlets) = broker::start(config.mqtt.clone(), core.front_door(&gate)).await?;
    let of_identity = broker.clone();
    gate.kick_with(Box::new(move |identity| of_identity.kick(identity)));
    let ingest = ingesting(&config, &mut core, inlets, &clock)?;
    let handle = ingest.handle().clone();
    enact(&handle, &core, &laws, &rows).await?;
    // nobody came in before: until the roster is in force every device would be unknown
    broker.open();
    let sources = crate::sources::start(&config, &broker, &clock)?;

    let dispatcher = dispatching(&config, &core, &handle, &broker, &roster_now, &clock)?;
    // set once: this function runs once
    let _ = core.dispatcher.set(dispatcher.clone());
    let listening = tokio::spawn(tell_listening(broker.subscribed(), dispatcher.clone()));

    let shutdown = CancellationToken::new();
    let keeper = keeping(&config, &core, &handle, &roster_now, laws)?;
    let watched = (&config.auditor, &config.heartbeat, &*config.dispatcher.webhook);
    let auditing = auditor::start(watched, &core.store, &clock, &shutdown)?;
    let ready = readiness(&core, &ingest, sources.health(), auditing.check());
    let (address, http) = CommandCentre::serve(
        command_centre::Parts {
            settings: config.http.clone(),
            view: Arc::clone(&core.view),
            ledger: Arc::clone(&core.store) as _,
            access: Arc::new(Tokens { gate: Arc::clone(&gate), roster: Arc::clone(&roster_now) }),
            actions: acts(&config, &core, &handle, &broker, &gate),
            devices: Arc::new(Heard(Arc::clone(&core.liveness))),
            risk: Arc::new(Moved(Arc::clone(&core.risk))),
            clients: Arc::new(Clients(broker.clone())),
            judging: judging(&core, &roster_now, &keeper),
            callbacks: Arc::new(outlets::Tokens { dispatcher: dispatcher.clone(), ingest: handle.clone() }),
            photos: Arc::new(Photos::of(&config.station.data)),
            webhooks: config.dispatcher.webhook.iter().map(|webhook| webhook.name.clone().into()).collect(),
            vendors: Arc::new(Vendors::new(Arc::clone(&gate), &config.station, roster_now, Arc::clone(&clock))),
            metrics: {
                let metrics = metrics.clone();
                Arc::new(move || metrics.render())
            },
            ready,
        },
        shutdown.clone(),
    )
    .await?;
    let push = push::as_set(&config, &core.view, Arc::clone(&core.store) as _, &clock, &shutdown)?;
    let watch = tokio::spawn(watching(&config, &gate, seen)?.run(shutdown.clone()));
    let keeper = tokio::spawn(keeper.run(shutdown.clone()));
    let upkeep = tokio::spawn(tidying(&config, &core, metrics, clock, shutdown.clone()));
    tracing::info!(mqtt = %broker.local_addr(), http = %address, "the station is open");

    tokio::select! {
        () = stop.wait() => {}
        () = core.broken() => tracing::error!("a stage of the pipeline ended: the station stops, start it again"),
    }
    tracing::info!("stopping: draining what was received");
    listening.abort();
    let limit = Duration::from_millis(config.station.shutdown_limit_ms);
    let drained = tokio::time::timeout(limit, async {
        sources.shutdown().await;
        drain(broker, dispatcher, shutdown, http, [upkeep, watch, keeper, push], handle, ingest, core).await
    })
    .await;
    drained.map_err(|_| anyhow!("the stages did not drain within {} ms", limit.as_millis()))?
}

fn judging(core: &Core, roster: &RosterNow, keeper: &RulesKeeper) -> Arc<Judge> {
    let (roster, rules) = (Arc::clone(roster), Arc::clone(&keeper.desk));
    Arc::new(Judge { inspector: core.inspector.clone(), roster, rules })
}

/// What people do, on its way to the journal.
fn acts(config: &Config, core: &Core, ingest: &IngestHandle, broker: &Broker, gate: &Arc<Gate>) -> Arc<Acts> {
    let view = Arc::clone(&core.view);
    Arc::new(Acts {
        ingest: ingest.clone(),
        broker: broker.clone(),
        waiting: Arc::clone(&core.waiting),
        orders: Arc::clone(&core.orders),
        roster: Arc::new(move || view.roster()),
        gate: Arc::clone(gate),
        folder: config.station.roster.clone(),
    })
}

/// The door's keeper; says so when it lets anybody in from other machines.
fn gate(config: &Config, credentials: Credentials, clock: &Arc<dyn Clock>) -> Result<Arc<Gate>> {
    let settings = &config.mqtt_access;
    let anonymous = settings.anonymous.as_deref();
    if let Some(anonymous) = anonymous.filter(|_| !config.mqtt.listen.ip().is_loopback()) {
        tracing::warn!(
            listen = %config.mqtt.listen,
            credential = anonymous,
            "clients without user name are let in from other machines: remove [mqtt_access] anonymous, or listen on loopback"
        );
    }
    let refusals = Refusals::new(settings.clone());
    Gate::new(credentials, anonymous, Arc::clone(clock), refusals).map(Arc::new).map_err(|what| anyhow!(what))
}

fn watching(config: &Config, gate: &Arc<Gate>, seen: Option<watch::Version>) -> Result<Watch> {
    let every_s = config.mqtt_access.credentials_reload_s;
    Ok(Watch {
        gate: Arc::clone(gate),
        folder: config.station.roster.clone(),
        every: (every_s > 0).then(|| Duration::from_secs(every_s)),
        hangup: signal(SignalKind::hangup())?,
        seen,
    })
}

fn keeping(config: &Config, core: &Core, ingest: &IngestHandle, roster: &RosterNow, laws: Laws) -> Result<RulesKeeper> {
    let every_s = config.mqtt_access.credentials_reload_s;
    let station = &config.station;
    Ok(RulesKeeper::new(rules_keeper::Parts {
        ingest: ingest.clone(),
        store: Arc::clone(&core.store),
        roster: Arc::clone(roster),
        path: station.rules.clone(),
        in_force: core.rules.clone().filter(|_| laws.has_rules_file).unwrap_or(laws.rules),
        every: (every_s > 0).then(|| Duration::from_secs(every_s)),
        hangup: signal(SignalKind::hangup())?,
        limits: Limits { days: station.rules_gate_days, time: Duration::from_secs(station.rules_gate_limit_s) },
    }))
}

fn ingesting(config: &Config, core: &mut Core, inlets: broker::Inlets, clock: &Arc<dyn Clock>) -> Result<Ingest> {
    Ok(ingest::start(ingest::Parts {
        settings: config.ingest.clone(),
        journal: Arc::clone(&core.store) as _,
        checkpoints: Arc::clone(&core.store) as _,
        clock: Arc::clone(clock),
        restored: core.restored.take().context("the core is started once")?,
        inlets,
        out: core.steps.take().context("the core is started once")?,
    })?)
}

fn dispatching(
    config: &Config,
    core: &Core,
    ingest: &IngestHandle,
    broker: &Broker,
    roster: &RosterNow,
    clock: &Arc<dyn Clock>,
) -> Result<dispatcher::Handle> {
    dispatcher::Dispatcher::start(dispatcher::Parts {
        settings: config.dispatcher.clone(),
        ledger: Arc::clone(&core.store) as _,
        receipts: Arc::new(Receipts(ingest.clone())),
        mqtt: Arc::new(BrokerOutlet(broker.clone())),
        roster: Arc::clone(roster),
        clock: Arc::clone(clock),
        public_url: config.http.public_url.clone(),
    })
    .context("starting the dispatcher")
}

fn tidying(
    config: &Config,
    core: &Core,
    metrics: PrometheusHandle,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (photos, every_s) = (Photos::of(&config.station.data), config.station.retention_every_s);
    upkeep::run(Arc::clone(&core.store), metrics, clock, photos, every_s, shutdown)
}

/// The end: no new connections, what was received is committed and answered, judged, and told.
#[allow(clippy::too_many_arguments)] // each is one stage
async fn drain(
    broker: Broker,
    dispatcher: dispatcher::Handle,
    shutdown: CancellationToken,
    http: Task<()>,
    others: [Task<()>; 4],
    handle: IngestHandle,
    ingest: Ingest,
    core: Core,
) -> Result<()> {
    shutdown.cancel();
    http.await?;
    for task in others {
        task.await?;
    }
    dispatcher.shutdown().await;
    broker.shutdown().await;
    drop((broker, handle));
    tokio::task::spawn_blocking(move || {
        ingest.join().context("the ingest stage")?;
        core.finish()
    })
    .await?
}

/// Puts what the files say into the journal, where it differs from what is in force, and waits until it is.
async fn enact(ingest: &IngestHandle, core: &Core, laws: &Laws, rows: &RosterRows) -> Result<()> {
    // rules that differ from those in force go through the keeper's gate; without a file they are this build's own
    match &core.rules {
        Some(in_force) if laws.has_rules_file || *in_force == laws.rules => {}
        _ => {
            ingest.submit(Submission::Rules(laws.rules.clone())).await?;
        }
    }
    if core.store.policy()?.as_deref() != Some(&laws.policy) {
        ingest.submit(Submission::Policy(laws.policy.clone())).await?;
    }
    let roster = core.view.roster();
    let change = roster.change_to(rows).map_err(|faults| told(&faults))?;
    let mut last = core.store.last_epoch();
    if !change.is_empty() {
        tracing::info!(units = change.units.len(), devices = change.devices.len(), "the roster changed: importing it");
        last = ingest.submit(Submission::Roster { base: roster.version(), change: Box::new(change) }).await?;
    }
    while core.done.load(Ordering::Acquire) < last {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Checks of readiness, by name.
type Checks = Arc<dyn Fn() -> Vec<(&'static str, Result<(), String>)> + Send + Sync>;

fn readiness(
    core: &Core,
    ingest: &Ingest,
    sources: source::Health,
    auditor: impl Fn() -> Result<(), String> + Send + Sync + 'static,
) -> Checks {
    let (progress, done) = (Arc::clone(ingest.progress()), Arc::clone(&core.done));
    Arc::new(move || {
        let behind = progress.committed().saturating_sub(done.load(Ordering::Acquire));
        let writable = progress
            .writable()
            .then_some(())
            .ok_or_else(|| "the journal cannot be written: look at the disk".to_owned());
        let following = if behind > (STEPS + desk::QUEUE) as u64 * 2 {
            Err(format!("judging is {behind} commits behind the journal"))
        } else {
            Ok(())
        };
        vec![("journal", writable), ("judging", following), ("sources", sources.check()), ("auditor", auditor())]
    })
}
