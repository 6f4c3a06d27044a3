//! All links of a process: which device speaks over which, and what comes back from the station.

use crate::{
    device::Output,
    link::{Account, Command, Link},
    roster::Roster,
    run::{Connections, Settings},
    stats::Counters,
    wire::{self, Kind, Report, State},
    world::{Said, World},
};
use anyhow::{Context, Result, bail};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::sync::mpsc;

/// Messages other than telemetry kept for one link whose queue is full.
const HELD_MAX: usize = 16_384;
/// Commands from the station waiting to be carried out; what comes beyond is dropped.
const COMMANDS_MAX: usize = 1_024;

/// One link, and what its full queue could not take.
struct Wire {
    link: Link,
    held: VecDeque<Command>,
}

impl Wire {
    fn new(link: Link) -> Self {
        Self { link, held: VecDeque::new() }
    }

    /// Telemetry may be given up, everything else waits in its order.
    fn put(&mut self, command: Command, counters: &Counters) {
        let telemetry = matches!(&command, Command::Send(p) if p.kind == Kind::Telemetry);
        let refused = if self.held.is_empty() {
            self.link.tx.try_send(command).err().map(|e| e.into_inner())
        } else {
            Some(command)
        };
        match refused {
            None => {}
            Some(_) if telemetry => {
                counters.dropped.fetch_add(1, Relaxed);
            }
            Some(command) if self.held.len() < HELD_MAX => self.held.push_back(command),
            Some(_) => {
                counters.lost.fetch_add(1, Relaxed);
            }
        }
    }

    fn flush(&mut self) {
        while let Some(command) = self.held.pop_front() {
            if let Err(refused) = self.link.tx.try_send(command) {
                self.held.push_front(refused.into_inner());
                return;
            }
        }
    }
}

/// All links of a process, and which device speaks over which.
pub struct Wires {
    wires: Vec<Wire>,
    /// Index of the link of each device of the world.
    of_device: Vec<usize>,
    /// True for links that belong to one device.
    own: Vec<bool>,
    /// Commands to devices: topic and payload.
    inbox: mpsc::Receiver<(String, Vec<u8>)>,
}

impl Wires {
    /// Opens them; refuses a roster without the accounts that are needed.
    pub fn open(settings: &Settings, roster: &Roster, world: &World, counters: &Arc<Counters>) -> Result<Self> {
        let secrets = roster.secret_by_name();
        let accounts: HashMap<(&str, &str), &str> =
            roster.credentials.iter().map(|c| ((c.kind.as_str(), c.subject.as_str()), c.name.as_str())).collect();
        let (per_vendor, own_max) = match settings.connections {
            Connections::Vendor(n) => (n, 0),
            Connections::Device(n) => (2, n.div_ceil(settings.processes)),
        };
        let part = settings.shard.map_or(0, |s| s.index);
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let of_device = Vec::with_capacity(world.devices.len());
        let mut wires = Self { wires: Vec::new(), of_device, own: Vec::new(), inbox };
        let mut shared: HashMap<(&str, usize), usize> = HashMap::new();
        let mut owners = 0;
        for (index, device) in world.devices.iter().enumerate() {
            let subject = format!("{}/{}", device.vendor, device.name);
            let own = accounts.get(&("device", subject.as_str())).filter(|_| owners < own_max);
            let slot = crate::world::mix(index as u64) as usize % per_vendor;
            if own.is_none() && shared.contains_key(&(&*device.vendor, slot)) {
                wires.of_device.push(shared[&(&*device.vendor, slot)]);
                continue;
            }
            let name = match own {
                Some(name) => name,
                None => accounts.get(&("vendor", &*device.vendor)).with_context(|| {
                    format!("credentials.csv has no account for vendor {}, which devices.csv names", device.vendor)
                })?,
            };
            let secret = secrets.get(name).with_context(|| format!("secrets.csv has no secret for {name}"))?;
            let client_id = if own.is_some() {
                format!("sim-{}", device.name)
            } else {
                format!("sim-{}-{part}-{slot}", device.vendor)
            };
            let will = own.map(|_| {
                let lost = Report::State { state: State::Lost, next_report_s: None };
                (wire::topic(&device.vendor, &device.name, Kind::State), lost.encode(device.style.encoding))
            });
            // of the connections of a vendor's account one listens for all its devices
            let listens = if own.is_some() { Some(&*device.name) } else { (slot == 0).then_some("+") };
            let account = Account {
                client_id,
                name: (*name).into(),
                secret: (*secret).into(),
                will,
                commands: listens.map(|d| (format!("fire/v1/{}/{d}/command", device.vendor), commands.clone())),
                loud: own.is_none(),
            };
            let number = wires.wires.len();
            wires.wires.push(Wire::new(Link::open(account, &settings.mqtt, counters.clone())));
            wires.own.push(own.is_some());
            wires.of_device.push(number);
            if own.is_some() {
                owners += 1;
            } else {
                shared.insert((&device.vendor, slot), number);
            }
        }
        if let Connections::Device(wanted) = settings.connections
            && owners < own_max
        {
            bail!(
                "--connections device:{wanted}: only {owners} devices of this part of the city have a credential; \
                 write the roster with more (--device-credentials)"
            );
        }
        tracing::info!(devices = world.devices.len(), connections = wires.wires.len(), "the city wakes up");
        Ok(wires)
    }

    /// Sends what a device says.
    pub fn put(&mut self, world: &World, (device, output): Said, counters: &Counters) {
        let number = self.of_device[device];
        let command = match output {
            Output::Say(report) => {
                let publish = world.devices[device].publish(&report);
                counters.count(publish.kind, publish.qos1);
                Command::Send(publish)
            }
            Output::Vanish if self.own[number] => Command::Hang,
            Output::Return if self.own[number] => Command::Return,
            Output::Vanish | Output::Return => return,
        };
        self.wires[number].put(command, counters);
    }

    /// Hands on what the queues could not take before.
    pub fn flush(&mut self) {
        self.wires.iter_mut().for_each(Wire::flush);
    }

    /// The next command to a device: topic and payload.
    pub fn command(&mut self) -> Option<(String, Vec<u8>)> {
        self.inbox.try_recv().ok()
    }

    /// Waits until every link has been acknowledged what it is owed, or has given up.
    pub async fn close(self, counters: &Counters) {
        let tasks: Vec<_> = self
            .wires
            .into_iter()
            .map(|mut wire| {
                wire.flush();
                counters.lost.fetch_add(wire.held.len() as u64, Relaxed);
                wire.link.task // the sender is dropped here: the link drains and ends
            })
            .collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}
