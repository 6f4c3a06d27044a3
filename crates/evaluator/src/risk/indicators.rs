//! The indicators: each from 0 (nothing) to 1 (as bad as it counts), with the words for people.
//!
//! What is not known counts as middling ([`NOT_KNOWN`]), and is said to be not known: who fills the roster in sees what it
//! would change. A new indicator is a function, a weight and a line in the table.

use model::finding::Words;
use model::roster::DeviceClass;

use super::seen::{Reach, Seen, Water};
use super::settings::{Settings, Weights};
use crate::rule::words;

/// The value of what the roster does not say.
pub const NOT_KNOWN: f64 = 0.5;

/// One contribution to the index.
pub struct Indicator {
    /// Key of its weight.
    pub name: &'static str,
    pub weight: fn(&Weights) -> f64,
    /// 0 to 1.
    pub value: fn(&Seen<'_>, &Settings) -> f64,
    /// What was seen, and what would lower it.
    pub words: fn(&Seen<'_>, &Settings) -> Words,
}

macro_rules! indicators {
    ($($name:ident: $words:ident,)*) => {
        /// Every indicator, in the order in which they are summed up.
        pub static INDICATORS: &[Indicator] = &[$(Indicator {
            name: stringify!($name),
            weight: |weights| weights.$name,
            value: $name,
            words: $words,
        },)*];
    };
}

indicators! {
    open_hazards: open_hazards_words,
    recent_fire: recent_fire_words,
    category: category_words,
    occupancy: occupancy_words,
    vulnerable: vulnerable_words,
    storeys: storeys_words,
    coverage: coverage_words,
    fault_time: fault_time_words,
    blind_time: blind_time_words,
    overdue_hazards: overdue_hazards_words,
    nuisance: nuisance_words,
    station_distance: station_distance_words,
    station_readiness: station_readiness_words,
    water: water_words,
}

/// From 0 at `from` to 1 at `to`.
fn ramp(value: f64, from: f64, to: f64) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

fn known(count: Option<u32>, full: f64) -> f64 {
    count.map_or(NOT_KNOWN, |count| ramp(f64::from(count), 0.0, full))
}

/// Hazards (隐患) that nobody cleared: warnings that hold and that nobody found void.
pub fn open_hazards(seen: &Seen<'_>, settings: &Settings) -> f64 {
    ramp(f64::from(seen.hazards), 0.0, settings.hazards_full)
}

fn open_hazards_words(seen: &Seen<'_>, _: &Settings) -> Words {
    match seen.open {
        0 => words("无未消除的隐患", "no hazard is open"),
        open => words(
            format!("{open} 处隐患未消除，最久 {:.0} 天；逐项消除可降低", seen.oldest_days),
            format!("hazards open: {open}, the oldest for {:.0} days; clearing each lowers it", seen.oldest_days),
        ),
    }
}

/// Hazards that are open for longer than they may be: management does not work.
pub fn overdue_hazards(seen: &Seen<'_>, settings: &Settings) -> f64 {
    ramp(f64::from(seen.overdue), 0.0, settings.overdue_full)
}

fn overdue_hazards_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    let days = settings.overdue_after_days;
    match seen.overdue {
        0 => words(format!("无超过 {days} 天的隐患"), format!("no hazard is open for longer than {days} days")),
        overdue => words(
            format!("{overdue} 处隐患超过 {days} 天未消除；消除逾期隐患可降低"),
            format!("hazards open for longer than {days} days: {overdue}; clearing them lowers it"),
        ),
    }
}

/// Where it burnt, it burns again: full on the day of a fire that was found real, and less each day.
pub fn recent_fire(seen: &Seen<'_>, settings: &Settings) -> f64 {
    seen.days_since_fire.map_or(0.0, |days| 1.0 - ramp(f64::from(days), 0.0, settings.fire_memory_days))
}

fn recent_fire_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    let memory = settings.fire_memory_days;
    match seen.days_since_fire.filter(|days| f64::from(*days) < memory) {
        None => words(format!("{memory} 天内无核实的火灾"), format!("no verified fire within {memory} days")),
        Some(days) => words(
            format!("{days} 天前发生过核实的火灾；逐日降低，{memory} 天后不再计入"),
            format!("a verified fire {days} days ago; it counts less each day, and not after {memory}"),
        ),
    }
}

/// Kind of building or business, by the table `[risk.category]`.
pub fn category(seen: &Seen<'_>, settings: &Settings) -> f64 {
    settings.of_category(seen.category).0
}

fn category_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    let name = seen.category;
    match settings.of_category(name).1 {
        true => words(
            format!("场所类别：{name}；类别分值由规则表给定"),
            format!("category {name}; its value is given by the rules"),
        ),
        false => words(
            format!("场所类别“{name}”不在规则表中，按默认值计；在 [risk.category] 中补充"),
            format!("category \"{name}\" is not in the rules and counts as the default; add it to [risk.category]"),
        ),
    }
}

/// People who live or stay there.
pub fn occupancy(seen: &Seen<'_>, settings: &Settings) -> f64 {
    known(seen.profile.people, settings.people_full)
}

fn occupancy_words(seen: &Seen<'_>, _: &Settings) -> Words {
    match seen.profile.people {
        None => words(
            "人数未知，按中等计；在名册 people 列填写",
            "the number of people is not known and counts as middling; fill in the roster's column people",
        ),
        Some(people) => words(
            format!("{people} 人居住或停留；人数减少则降低"),
            format!("people who live or stay there: {people}; fewer lower it"),
        ),
    }
}

/// Children, the aged, the sick: those who need help to get out.
pub fn vulnerable(seen: &Seen<'_>, settings: &Settings) -> f64 {
    known(seen.profile.vulnerable, settings.vulnerable_full)
}

fn vulnerable_words(seen: &Seen<'_>, _: &Settings) -> Words {
    match seen.profile.vulnerable {
        None => words(
            "弱势人员数未知，按中等计；在名册 vulnerable 列填写",
            "the number of vulnerable people is not known and counts as middling; fill in the roster's column vulnerable",
        ),
        Some(0) => words("无需协助疏散的人员", "nobody needs help to get out"),
        Some(vulnerable) => words(
            format!("{vulnerable} 人需协助疏散；转移到更安全的房间或住处可降低"),
            format!("people who need help to get out: {vulnerable}; moving them to safer rooms or places lowers it"),
        ),
    }
}

/// Storeys of the building: the way out, and the way in for the brigade.
pub fn storeys(seen: &Seen<'_>, settings: &Settings) -> f64 {
    seen.profile.storeys.map_or(NOT_KNOWN, |storeys| ramp(f64::from(storeys), 1.0, settings.storeys_full))
}

fn storeys_words(seen: &Seen<'_>, _: &Settings) -> Words {
    match seen.profile.storeys {
        None => words(
            "层数未知，按中等计；在名册 storeys 列填写",
            "the number of storeys is not known and counts as middling; fill in the roster's column storeys",
        ),
        Some(storeys) => {
            words(format!("建筑 {storeys} 层；固有条件"), format!("storeys: {storeys}; a property of the building"))
        }
    }
}

/// Classes of devices that the category must have (`[risk.coverage]`) and that the unit has not; half, where it has one and
/// none can be trusted.
pub fn coverage(seen: &Seen<'_>, _: &Settings) -> f64 {
    if seen.required == 0 {
        return 0.0;
    }
    (seen.missing.len() as f64 + 0.5 * seen.dead.len() as f64) / f64::from(seen.required)
}

fn coverage_words(seen: &Seen<'_>, _: &Settings) -> Words {
    let names = |classes: &[DeviceClass], zh: bool| {
        let names: Vec<&str> = classes.iter().map(|class| if zh { class_zh(*class) } else { class.word() }).collect();
        names.join(if zh { "、" } else { ", " })
    };
    if seen.missing.is_empty() && seen.dead.is_empty() {
        return words("应有的设备类型齐全且在线", "every class of device that it must have is there and reports");
    }
    let (mut zh, mut en) = (Vec::new(), Vec::new());
    if !seen.missing.is_empty() {
        zh.push(format!("缺少 {}", names(&seen.missing, true)));
        en.push(format!("missing: {}", names(&seen.missing, false)));
    }
    if !seen.dead.is_empty() {
        zh.push(format!("{} 失联或故障", names(&seen.dead, true)));
        en.push(format!("lost or in fault: {}", names(&seen.dead, false)));
    }
    words(
        format!("应有 {} 类设备，{}；补装或修复可降低", seen.required, zh.join("，")),
        format!("of {} classes of device, {}; installing or repairing them lowers it", seen.required, en.join("; ")),
    )
}

fn class_zh(class: DeviceClass) -> &'static str {
    match class {
        DeviceClass::Smoke => "感烟探测器",
        DeviceClass::Heat => "感温探测器",
        DeviceClass::Gas => "可燃气体探测器",
        DeviceClass::Co => "一氧化碳探测器",
        DeviceClass::Electrical => "电气火灾监控",
        DeviceClass::Water => "消防水监测",
        DeviceClass::Manual => "手动报警按钮",
        DeviceClass::Panel => "火灾报警控制器",
        DeviceClass::Camera => "摄像机",
        DeviceClass::Combined => "复合探测器",
    }
}

/// Share of the last 30 days with a device in fault.
pub fn fault_time(seen: &Seen<'_>, settings: &Settings) -> f64 {
    ramp(seen.fault_share, 0.0, settings.fault_share_full)
}

fn fault_time_words(seen: &Seen<'_>, _: &Settings) -> Words {
    let (percent, hours) = (seen.fault_share * 100.0, seen.fault_share * 720.0);
    words(
        format!("近 30 天有设备故障的时间 {hours:.0} 小时（{percent:.1}%）；及时修复则逐日降低"),
        format!("a device was in fault for {hours:.0} h of 30 days ({percent:.1} %); repaired, it falls day by day"),
    )
}

/// Share of the last 30 days without a trustworthy device.
pub fn blind_time(seen: &Seen<'_>, settings: &Settings) -> f64 {
    ramp(seen.blind_share, 0.0, settings.blind_share_full)
}

fn blind_time_words(seen: &Seen<'_>, _: &Settings) -> Words {
    let (percent, hours) = (seen.blind_share * 100.0, seen.blind_share * 720.0);
    words(
        format!("近 30 天失明 {hours:.0} 小时（{percent:.1}%）；恢复上报则逐日降低"),
        format!("blind for {hours:.0} h of 30 days ({percent:.1} %); once it reports, it falls day by day"),
    )
}

/// False alarms: people stop believing in them, and switch the system off. By verdicts, by the number of alarms, or full for
/// a chronic source; whichever is worst.
pub fn nuisance(seen: &Seen<'_>, settings: &Settings) -> f64 {
    if seen.alarms_of_worst_day > settings.chronic_alarms_a_day {
        return 1.0;
    }
    let by_verdict = ramp(f64::from(seen.falses), 0.0, settings.falses_full);
    by_verdict.max(ramp(f64::from(seen.alarms), 0.0, settings.alarms_full))
}

fn nuisance_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    let Seen { alarms, falses, alarms_of_worst_day: worst, .. } = seen;
    if *worst > settings.chronic_alarms_a_day {
        return words(
            format!("近 30 天报警 {alarms} 次，一天内多达 {worst} 次；查明误报原因并更换或移装探测器可降低"),
            format!(
                "fire alarms in 30 days: {alarms}, on one day {worst}; finding the cause, and moving or replacing the \
                 detector, lowers it"
            ),
        );
    }
    words(
        format!("近 30 天报警 {alarms} 次，核实为误报 {falses} 次；减少误报可降低"),
        format!("fire alarms in 30 days: {alarms}, found false: {falses}; fewer lower it"),
    )
}

/// How far the micro fire station is that helps most.
pub fn station_distance(seen: &Seen<'_>, settings: &Settings) -> f64 {
    seen.station.as_ref().map_or(1.0, |reach| reach_distance(reach, settings))
}

fn reach_distance(reach: &Reach, settings: &Settings) -> f64 {
    reach.distance_m.map_or(NOT_KNOWN, |metres| ramp(metres, settings.station_near_m, settings.station_far_m))
}

fn station_distance_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    match seen.station {
        None => words(
            format!("{} 米内无微型消防站；就近设站可降低", settings.station_far_m),
            format!("no micro fire station within {} m; setting one up nearby lowers it", settings.station_far_m),
        ),
        Some(Reach { distance_m: None, .. }) => words(
            "本村有微型消防站，距离未知，按中等计；在名册填写 x、y",
            "the village has a micro fire station; how far it is, is not known and counts as middling: fill in x and y",
        ),
        Some(Reach { distance_m: Some(metres), .. }) => words(
            format!("微型消防站距离 {metres:.0} 米；更近则降低"),
            format!("a micro fire station {metres:.0} m away; a nearer one lowers it"),
        ),
    }
}

/// Whether that station has enough people.
pub fn station_readiness(seen: &Seen<'_>, settings: &Settings) -> f64 {
    seen.station.as_ref().map_or(1.0, |reach| reach_readiness(reach, settings))
}

fn reach_readiness(reach: &Reach, settings: &Settings) -> f64 {
    1.0 - ramp(f64::from(reach.members), 0.0, settings.station_members_full)
}

fn station_readiness_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    let full = settings.station_members_full;
    match seen.station {
        None => words("附近无可响应的微型消防站", "there is no micro fire station to respond"),
        Some(Reach { members, .. }) if f64::from(members) >= full => words(
            format!("该微型消防站有 {members} 名队员，满足要求"),
            format!("that micro fire station has {members} members: enough"),
        ),
        Some(Reach { members, .. }) => words(
            format!("该微型消防站仅 {members} 名队员；配齐 {full} 名可降低"),
            format!("that micro fire station has {members} members; {full} lower it"),
        ),
    }
}

/// What a station adds to the index by distance and readiness together, of 1.
pub(super) fn station_cost(reach: &Reach, settings: &Settings) -> f64 {
    let Weights { station_distance, station_readiness, .. } = settings.weights;
    station_distance * reach_distance(reach, settings) + station_readiness * reach_readiness(reach, settings)
}

/// Hydrants, sprinklers and tanks that are monitored: full where the unit's own, or all within reach, are in trouble. The
/// way to one that is in order counts up to a half.
pub fn water(seen: &Seen<'_>, settings: &Settings) -> f64 {
    water_value(&seen.water, settings)
}

pub(super) fn water_value(water: &Water, settings: &Settings) -> f64 {
    match water {
        Water::OwnInTrouble | Water::InTrouble(_) => 1.0,
        Water::NotKnown => NOT_KNOWN,
        Water::Within(None) => NOT_KNOWN / 2.0,
        Water::Within(Some(metres)) => NOT_KNOWN * ramp(*metres, settings.water_near_m, settings.water_far_m),
    }
}

fn water_words(seen: &Seen<'_>, settings: &Settings) -> Words {
    match seen.water {
        Water::OwnInTrouble => words(
            "本单位消防用水异常；恢复水压水位可降低",
            "the unit's own fire water is in trouble; restoring pressure and level lowers it",
        ),
        Water::InTrouble(count) => words(
            format!("附近 {count} 处受监测的消防用水均异常或失联；修复可降低"),
            format!(
                "all {count} monitored points of fire water nearby are in trouble or lost; repairing them lowers it"
            ),
        ),
        Water::NotKnown => words(
            format!("{} 米内无受监测的消防用水，情况未知，按中等计；加装监测可查明", settings.water_far_m),
            format!(
                "no fire water within {} m is monitored: not known, counts as middling; monitoring it shows",
                settings.water_far_m
            ),
        ),
        Water::Within(None) => words(
            "本村有正常的消防用水，距离未知；在名册填写 x、y",
            "the village has fire water in order; how far it is, is not known: fill in x and y",
        ),
        Water::Within(Some(metres)) => words(
            format!("{metres:.0} 米内有正常的消防用水；更近则降低"),
            format!("fire water in order {metres:.0} m away; nearer lowers it"),
        ),
    }
}
