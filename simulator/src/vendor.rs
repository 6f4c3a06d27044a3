//! The invented manufacturers: what each builds, how many stand in the city, and how its devices speak.
//!
//! Intervals follow what real devices of the class do: transmission devices send a heartbeat every 20–30 s, water meters upload in
//! batches of half an hour, NB-IoT smoke alarms sleep and report once in 24 h.

use crate::roster::Class;

/// Form of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Protobuf,
}

/// Where a device's power comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Own cell; a power cut does not reach it.
    Battery,
    /// Mains only; a last gasp at best, then silence.
    Mains,
    /// Mains with a standby battery: tells of the cut and lives on.
    Backed,
}

/// How a vendor's devices speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub encoding: Encoding,
    /// Telemetry with QoS 1; alarms, events and states always are.
    pub telemetry_qos1: bool,
    /// Messages carry the device's clock.
    pub stamps: bool,
    /// Telemetry carries a sequence number.
    pub numbers: bool,
    pub power: Power,
}

/// A model of which the city has many.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    pub vendor: &'static str,
    /// Device ids are this and seven digits.
    pub prefix: &'static str,
    pub class: Class,
    /// In the full city.
    pub count: usize,
    pub report_every_s: u32,
    /// One of the 30,000 wireless alarm systems (else one of the 40,000 wired devices or a camera).
    pub wireless: bool,
}

const fn model(
    vendor: &'static str,
    prefix: &'static str,
    class: Class,
    count: usize,
    report_every_s: u32,
    wireless: bool,
) -> Model {
    Model { vendor, prefix, class, count, report_every_s, wireless }
}

/// A day: the promise of the wireless alarms, seconds.
pub const DAY_S: u32 = 86_400;

/// The full city: 40,000 wired devices, 30,000 wireless alarms, 11,400 cameras.
pub const MODELS: &[Model] = &[
    model("anjie", "AJ", Class::Panel, 4_000, 30, false),
    model("dianwei", "DW", Class::Electrical, 8_000, 60, false),
    model("lvneng", "LN", Class::Electrical, 12_000, 300, false),
    model("shuijian", "SJ", Class::Water, 5_000, 1_800, false),
    model("ranan", "RA", Class::Gas, 6_500, 600, false),
    model("tonglian", "TL", Class::Combined, 2_500, 120, false),
    model("tonglian", "TH", Class::Heat, 1_200, 120, false),
    model("tonglian", "TC", Class::Co, 300, 300, false),
    model("anjie", "AM", Class::Manual, 500, 3_600, false),
    model("yunyan", "YY", Class::Smoke, 18_000, DAY_S, true),
    model("zhixun", "ZX", Class::Smoke, 8_000, DAY_S, true),
    model("yunyan", "YH", Class::Heat, 1_500, DAY_S, true),
    model("zhixun", "ZG", Class::Gas, 1_800, DAY_S, true),
    model("yunyan", "YC", Class::Co, 400, DAY_S, true),
    model("zhixun", "ZM", Class::Manual, 300, DAY_S, true),
    model("camera", "CM", Class::Camera, 11_400, 300, false),
];

/// How devices of a vendor speak; vendors of a roster that is not ours speak JSON with everything in it.
pub fn style(vendor: &str, class: Class, report_every_s: u32) -> Style {
    let power = match class {
        Class::Panel => Power::Backed,
        Class::Water | Class::Manual => Power::Battery,
        _ if report_every_s >= 3_600 => Power::Battery,
        _ => Power::Mains,
    };
    let plain = Style { encoding: Encoding::Json, telemetry_qos1: true, stamps: true, numbers: true, power };
    match vendor {
        "dianwei" => Style { telemetry_qos1: false, ..plain },
        "lvneng" => Style { encoding: Encoding::Protobuf, ..plain },
        "zhixun" => Style { encoding: Encoding::Protobuf, numbers: false, ..plain },
        "ranan" => Style { stamps: false, ..plain },
        "tonglian" => Style { telemetry_qos1: false, numbers: false, ..plain },
        _ => plain,
    }
}

/// True for the ids of the wireless alarm systems that [`MODELS`] lists.
pub fn is_wireless(device: &str) -> bool {
    MODELS.iter().any(|m| m.wireless && device.starts_with(m.prefix))
}
