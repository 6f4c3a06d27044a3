//! Coverage: a unit that nobody watches has an owner who can change that.
//!
//! A unit none of whose devices can be trusted is blind at once on the map; that a person is told of it waits until a flapping
//! link would have come back, and until devices that were never heard of had their first promise. A unit that never got a
//! device is a hazard (隐患).

use model::Family;
use model::finding::Words;
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, words};

/// See the module; what it does is in the judge, for it looks at all devices of a unit.
pub struct Coverage;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Without a trustworthy device for so long, a fault is told, s. 600.
    pub blind_after_s: u32,
    /// Without any device for so long, a hazard is told, s. 604800 (7 days).
    pub no_device_after_s: u32,
    /// Blind units told in one village in an hour of the clock, count. 20. The others follow in the next hours.
    pub blind_per_hour: u16,
    /// Units without a device told in one village in an hour of the clock, count. 4: after an import nobody can see to
    /// hundreds of them at once.
    pub no_device_per_hour: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { blind_after_s: 600, no_device_after_s: 7 * 86_400, blind_per_hour: 20, no_device_per_hour: 4 }
    }
}

pub const BLIND: u8 = 0;
pub const NO_DEVICE: u8 = 1;

impl Rule for Coverage {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("blind", Family::Fault), Condition::new("no_device", Family::Warning)];
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.blind_per_hour == 0 || settings.no_device_per_hour == 0 {
            return Err("blind_per_hour and no_device_per_hour must be at least 1".into());
        }
        Ok(())
    }

    /// `a`: hours that it waited for its turn; `b`: how many a village is told in an hour; `n`: minutes since the unit is so,
    /// 0 for no longer.
    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let is_blind = condition == usize::from(BLIND);
        let would_change = if is_blind {
            words("任一设备恢复正常上报", "any of its devices reporting without fault")
        } else {
            words("安装设备并登记", "a device that is installed and on the roster")
        };
        let minutes = note.n;
        let for_zh = if minutes < 2880 { format!("{minutes} 分钟") } else { format!("{} 天", minutes / 1440) };
        let for_en = if minutes < 2880 { format!("{minutes} min") } else { format!("{} days", minutes / 1440) };
        let (mut zh, mut en) = match (is_blind, minutes) {
            (true, 0) => ("该单位已重新有可信设备".into(), "the unit has a trustworthy device again".into()),
            (false, 0) => ("该单位已登记设备".into(), "the unit has a device".into()),
            (true, _) => (
                format!("该单位已 {for_zh} 没有可信设备，无人监测"),
                format!("no device of the unit can be trusted for {for_en}: nobody watches it"),
            ),
            (false, _) => (
                format!("该单位登记 {for_zh} 仍没有任何设备"),
                format!("on the roster for {for_en} without any device"),
            ),
        };
        if minutes != 0 && note.a > 0.0 {
            zh.push_str(&format!("（本村同类较多，每小时提醒 {:.0} 处，已等待 {:.0} 小时）", note.b, note.a));
            en.push_str(&format!(
                "; its village has many: {:.0} are told an hour, this one waited for {:.0} h",
                note.b, note.a
            ));
        }
        (words(zh, en), would_change)
    }
}
