//! All devices of one process, driven by time: incidents begin and end, devices wake, messages come out.

use crate::{
    ambient::{self, Air},
    clock::Timebase,
    device::{Device, LOOK_MS, Output},
    incident::{Active, Spot},
    plan::{Atlas, Befall, Due, Plan},
    roster::Class,
    wire::Order,
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

/// Which part of the city this process plays: units whose index leaves `index` when divided by `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// The whole city.
    pub const ALL: Self = Self { index: 0, count: 1 };

    fn has(self, site: usize) -> bool {
        site % self.count == self.index
    }
}

/// What came out of a step: which device (index into [`World::devices`]) and what.
pub type Said = (usize, Output);

struct Scene {
    active: Active,
    number: u64,
    /// The device nearest to it, as an index into the atlas.
    nearest: usize,
}

/// The living part of the city.
pub struct World {
    atlas: Arc<Atlas>,
    time: Timebase,
    plan: Plan,
    shard: Shard,
    /// This shard's devices.
    pub devices: Vec<Device>,
    /// Index in the atlas of each.
    atlas_of: Vec<usize>,
    /// Index in `devices` of an atlas device.
    own: HashMap<usize, usize>,
    /// When each wants to be woken; entries of the heaps that differ are stale.
    wake_ms: Vec<i64>,
    calm: BinaryHeap<Reverse<(i64, usize)>>,
    /// Devices near an incident: never delayed by the limit.
    hot: BinaryHeap<Reverse<(i64, usize)>>,
    scenes: HashMap<usize, Vec<Scene>>,
    cuts: HashMap<usize, i64>,
    looked_ms: i64,
    said: Vec<Output>,
}

impl World {
    /// A city before its first word; every device is heard once within `wake_over_s` seconds of city time.
    pub fn new(atlas: Arc<Atlas>, plan: Plan, time: Timebase, seed: u64, shard: Shard, wake_over_s: u32) -> Self {
        let spread = i64::from(wake_over_s.max(1)) * 1_000;
        let mut world = Self {
            plan,
            time,
            shard,
            devices: Vec::new(),
            atlas_of: Vec::new(),
            own: HashMap::new(),
            wake_ms: Vec::new(),
            calm: BinaryHeap::new(),
            hot: BinaryHeap::new(),
            scenes: HashMap::new(),
            cuts: HashMap::new(),
            looked_ms: time.start_ms,
            said: Vec::new(),
            atlas,
        };
        let atlas = Arc::clone(&world.atlas);
        for (i, row) in atlas.devices.iter().enumerate().filter(|(i, _)| shard.has(atlas.site_of[*i])) {
            let wake = time.start_ms + (mix(seed ^ i as u64) % spread as u64) as i64;
            let index = world.devices.len();
            world.devices.push(Device::new(row, seed, wake, &time));
            world.atlas_of.push(i);
            world.own.insert(i, index);
            world.wake_ms.push(wake);
            world.calm.push(Reverse((wake, index)));
        }
        world
    }

    /// Incidents going on in this shard.
    pub fn active(&self) -> usize {
        self.scenes.values().map(Vec::len).sum::<usize>() + self.cuts.len()
    }

    /// Lives until `now_ms` (city time). At most `limit` devices to which nothing happens speak now, the others at the next step.
    pub fn step(&mut self, now_ms: i64, limit: usize, out: &mut Vec<Said>) {
        while let Some(due) = self.plan.next_until(now_ms) {
            self.begin(due, now_ms, out);
        }
        if now_ms - self.looked_ms >= LOOK_MS / 2 {
            self.looked_ms = now_ms;
            self.look_after(now_ms);
        }
        while let Some((at, index)) = pop_due(&mut self.hot, now_ms) {
            if self.wake_ms[index] == at {
                self.wake(index, now_ms, out);
            }
        }
        for _ in 0..limit {
            let Some((at, index)) = pop_due(&mut self.calm, now_ms) else { break };
            if self.wake_ms[index] == at {
                self.wake(index, now_ms, out);
            }
        }
    }

    /// A command from the station: `topic` names the device. A device that sleeps obeys when it wakes.
    pub fn command(&mut self, topic: &str, payload: &[u8], now_ms: i64, out: &mut Vec<Said>) {
        let Some(order) = Order::parse(topic, payload) else {
            return tracing::warn!(topic, "a command that the simulator cannot read");
        };
        let found = self.devices.iter().position(|d| *d.name == *order.device && *d.vendor == *order.vendor);
        let Some(index) = found else { return }; // another process plays it
        tracing::info!(device = order.device, command = order.command, "command");
        self.devices[index].obey(order, now_ms, &self.time, &mut self.said);
        self.drain(index, out);
    }

    fn begin(&mut self, due: Due, now_ms: i64, out: &mut Vec<Said>) {
        match due.what {
            Befall::Site { site, what } if self.shard.has(site) => {
                let range = self.atlas.sites[site].devices.clone();
                tracing::info!(unit = self.atlas.sites[site].code, what = what.name(), "incident");
                let nearest = nearest(&self.atlas, range.clone(), &what, due.number);
                if what == crate::incident::What::Drill
                    && let Some(&index) = self.own.get(&nearest)
                {
                    self.devices[index].test(now_ms, &self.time, &mut self.said);
                    self.drain(index, out);
                }
                let scene = Scene { active: Active::new(what, due.at_ms), number: due.number, nearest };
                self.scenes.entry(site).or_default().push(scene);
                self.rouse(site, now_ms);
            }
            Befall::PowerCut { village, until_ms } => {
                tracing::info!(village, "power cut");
                let until = self.cuts.entry(village).or_insert(until_ms);
                *until = until_ms.max(*until);
                self.rouse_village(village, now_ms);
            }
            Befall::Fault { device, kind, until_ms } => {
                if let Some(&index) = self.own.get(&device) {
                    self.devices[index].befall(kind, until_ms, now_ms, &self.time, &mut self.said);
                    self.drain(index, out);
                    self.set_wake(index, now_ms);
                }
            }
            Befall::Death { device, until_ms } => {
                if let Some(&index) = self.own.get(&device) {
                    self.devices[index].die(until_ms, &mut self.said);
                    self.drain(index, out);
                    self.set_wake(index, now_ms);
                }
            }
            Befall::Site { .. } => {}
        }
    }

    /// Lets incidents go on and ends those that are over.
    fn look_after(&mut self, now_ms: i64) {
        let mut ended = Vec::new();
        self.scenes.retain(|&site, scenes| {
            scenes.iter_mut().for_each(|s| s.active.advance(now_ms));
            scenes.retain(|s| !s.active.over(now_ms));
            if scenes.is_empty() {
                ended.push(site);
            }
            !scenes.is_empty()
        });
        ended.sort_unstable(); // the order of a map must not show
        for site in ended {
            self.rouse(site, now_ms);
        }
        let mut back: Vec<usize> = self.cuts.iter().filter(|(_, until)| **until <= now_ms).map(|(v, _)| *v).collect();
        back.sort_unstable();
        for village in back {
            self.cuts.remove(&village);
            self.rouse_village(village, now_ms);
        }
    }

    fn rouse(&mut self, site: usize, now_ms: i64) {
        for device in self.atlas.sites[site].devices.clone() {
            if let Some(&index) = self.own.get(&device) {
                self.set_wake(index, now_ms);
            }
        }
    }

    fn rouse_village(&mut self, village: usize, now_ms: i64) {
        let atlas = Arc::clone(&self.atlas);
        let shard = self.shard;
        for (site, _) in atlas.sites.iter().enumerate().filter(|(i, s)| s.village == village && shard.has(*i)) {
            self.rouse(site, now_ms);
        }
    }

    fn set_wake(&mut self, index: usize, at_ms: i64) {
        self.wake_ms[index] = at_ms;
        let site = self.atlas.site_of[self.atlas_of[index]];
        if at_ms == i64::MAX {
            return; // until somebody rouses it
        }
        let hot = self.scenes.contains_key(&site);
        let heap = if hot { &mut self.hot } else { &mut self.calm };
        heap.push(Reverse((at_ms, index)));
    }

    fn wake(&mut self, index: usize, now_ms: i64, out: &mut Vec<Said>) {
        let air = self.air(index, now_ms);
        let next = self.devices[index].step(now_ms, &air, &self.time, &mut self.said);
        self.drain(index, out);
        self.set_wake(index, next.max(now_ms + 1));
    }

    fn drain(&mut self, index: usize, out: &mut Vec<Said>) {
        out.extend(self.said.drain(..).map(|o| (index, o)));
    }

    /// What this device meets now.
    fn air(&self, index: usize, now_ms: i64) -> Air {
        let device = self.atlas_of[index];
        let site_index = self.atlas.site_of[device];
        let site = &self.atlas.sites[site_index];
        let offset = unit_interval(mix(site_index as u64)) * 2.0 - 1.0;
        let mut air = ambient::quiet(site.category, offset, now_ms);
        air.mains = !self.cuts.contains_key(&site.village);
        for scene in self.scenes.get(&site_index).into_iter().flatten() {
            scene.active.apply(now_ms, spot(device, scene.nearest, scene.number), &mut air);
        }
        air
    }
}

fn pop_due(heap: &mut BinaryHeap<Reverse<(i64, usize)>>, now_ms: i64) -> Option<(i64, usize)> {
    match heap.peek() {
        Some(Reverse((at, _))) if *at <= now_ms => heap.pop().map(|r| r.0),
        _ => None,
    }
}

/// The device that the incident is closest to: one that can notice it, if there is one.
fn nearest(atlas: &Atlas, range: std::ops::Range<usize>, what: &crate::incident::What, number: u64) -> usize {
    use crate::incident::{Nuisance, What};
    let fits: &[Class] = match what {
        What::Nuisance { kind: Nuisance::Welding, .. } => &[Class::Camera],
        What::Fire { .. } => &[Class::Smoke, Class::Heat, Class::Co, Class::Combined, Class::Panel, Class::Camera],
        _ => &[Class::Smoke, Class::Combined, Class::Panel],
    };
    let able: Vec<usize> = range.clone().filter(|&d| fits.contains(&atlas.devices[d].class)).collect();
    let among = if able.is_empty() { range.collect() } else { able };
    among.get((mix(number) % among.len().max(1) as u64) as usize).copied().unwrap_or(0)
}

/// Where a device stands against an incident: fixed by both, different for each pair.
fn spot(device: usize, nearest: usize, number: u64) -> Spot {
    let hash = mix(device as u64 ^ number.rotate_left(32));
    let near = device == nearest;
    Spot {
        radius_m: 1.0 + unit_interval(hash) * if near { 2.0 } else { 4.0 },
        in_origin: near || hash & 0b11 == 0,
        in_view: near || hash & 0b100 == 0,
    }
}

/// A well-mixed 64-bit value (the finaliser of splitmix64).
pub fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit_interval(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
