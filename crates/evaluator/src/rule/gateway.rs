//! Gateways: when a gateway falls silent, so do all the devices behind it. That is one incident with one owner, not one for
//! each device.
//!
//! Devices that speak through one gateway (within a village) are a group; so are, with higher thresholds, one vendor's devices
//! of a village. While an outage holds, the loss of a member is shown in its unit but told to nobody; when the outage is
//! over, members that are still lost are told. Nothing but lost contact is ever withheld.

use model::Family;
use model::finding::Words;
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, words};

/// See the module; what it does is in the judge, for it looks at many units.
pub struct Gateway;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Members lost within the window, at least, count. 3;
    pub devices: u16,
    /// and of all members at least this share are lost, %. 50.
    pub share_pct: u16,
    /// Losses count as one outage within this time, s. 900.
    pub window_s: u32,
    /// The loss of a member is told after so long, in which others of its group may follow, s. 60.
    pub gather_s: u32,
    /// As `devices`, for one vendor's devices of a village that have no gateway, count. 20; 0: such groups are not looked at.
    pub village_devices: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { devices: 3, share_pct: 50, window_s: 900, gather_s: 60, village_devices: 20 }
    }
}

pub const GATEWAY: u8 = 0;
pub const VILLAGE: u8 = 1;

impl Rule for Gateway {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("gateway_lost", Family::Fault), Condition::new("network_lost", Family::Fault)];
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.devices < 2 || settings.village_devices == 1 {
            return Err("devices must be at least 2, village_devices 0 or at least 2".into());
        }
        if !(1..=100).contains(&settings.share_pct) {
            return Err("share_pct must be 1 to 100".into());
        }
        Ok(())
    }

    /// `n`: members lost, 0 for over; `a`: members; `b`: 1 where the gateway's own device is lost.
    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let (of_zh, of_en) = if condition == usize::from(GATEWAY) {
            ("同一网关下", "behind one gateway")
        } else {
            ("本村同一厂商", "of one vendor in the village")
        };
        let would_change = words("网关或网络恢复，设备重新上报", "the link coming back and its devices being heard of");
        if note.n == 0 {
            return (words(format!("{of_zh}的设备已恢复"), format!("the devices {of_en} are back")), would_change);
        }
        let own = if note.b == 1.0 { ("网关本身失联，", "the gateway itself is lost; ") } else { ("", "") };
        let evidence = words(
            format!("{}{of_zh} {:.0} 台设备中 {} 台失联，按一起故障处理", own.0, note.a, note.n),
            format!("{}{} of {:.0} devices {of_en} are lost: one fault", own.1, note.n, note.a),
        );
        (evidence, would_change)
    }
}
