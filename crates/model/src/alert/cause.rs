//! Why an alert came about, in a closed set of codes: statistics of false alarms and of fires are made of these.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::finding::Words;

/// The cause that goes with a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Cooking,
    Steam,
    Smoking,
    Dust,
    Insects,
    Heating,
    Welding,
    Candle,
    Fireworks,
    Wiring,
    Battery,
    Appliance,
    GasLeak,
    Water,
    Arson,
    /// The sensor or its line is broken.
    DeviceFault,
    /// A push button pressed, or a sensor set off, by mistake.
    Mistake,
    Maintenance,
    Test,
    Drill,
    Other,
    /// Not known (yet).
    Unknown,
}

impl Cause {
    pub const ALL: [Cause; 22] = [
        Cause::Cooking,
        Cause::Steam,
        Cause::Smoking,
        Cause::Dust,
        Cause::Insects,
        Cause::Heating,
        Cause::Welding,
        Cause::Candle,
        Cause::Fireworks,
        Cause::Wiring,
        Cause::Battery,
        Cause::Appliance,
        Cause::GasLeak,
        Cause::Water,
        Cause::Arson,
        Cause::DeviceFault,
        Cause::Mistake,
        Cause::Maintenance,
        Cause::Test,
        Cause::Drill,
        Cause::Other,
        Cause::Unknown,
    ];

    /// The code.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Cooking => "cooking",
            Cause::Steam => "steam",
            Cause::Smoking => "smoking",
            Cause::Dust => "dust",
            Cause::Insects => "insects",
            Cause::Heating => "heating",
            Cause::Welding => "welding",
            Cause::Candle => "candle",
            Cause::Fireworks => "fireworks",
            Cause::Wiring => "wiring",
            Cause::Battery => "battery",
            Cause::Appliance => "appliance",
            Cause::GasLeak => "gas_leak",
            Cause::Water => "water",
            Cause::Arson => "arson",
            Cause::DeviceFault => "device_fault",
            Cause::Mistake => "mistake",
            Cause::Maintenance => "maintenance",
            Cause::Test => "test",
            Cause::Drill => "drill",
            Cause::Other => "other",
            Cause::Unknown => "unknown",
        }
    }

    /// In words for people.
    pub fn words(self) -> Words {
        let (zh, en) = match self {
            Cause::Cooking => ("烹饪油烟", "cooking"),
            Cause::Steam => ("水蒸气", "steam"),
            Cause::Smoking => ("吸烟", "smoking"),
            Cause::Dust => ("灰尘", "dust"),
            Cause::Insects => ("昆虫", "insects"),
            Cause::Heating => ("取暖", "heating"),
            Cause::Welding => ("动火作业", "welding or other hot works"),
            Cause::Candle => ("蜡烛、香火", "candles or incense"),
            Cause::Fireworks => ("烟花爆竹", "fireworks"),
            Cause::Wiring => ("电气线路", "wiring"),
            Cause::Battery => ("蓄电池（电动自行车）", "a battery (of an electric bicycle)"),
            Cause::Appliance => ("用电设备", "an electrical appliance"),
            Cause::GasLeak => ("燃气泄漏", "a gas leak"),
            Cause::Water => ("漏水、受潮", "water or damp"),
            Cause::Arson => ("放火", "arson"),
            Cause::DeviceFault => ("设备故障", "a fault of the device"),
            Cause::Mistake => ("误触、误操作", "a mistake"),
            Cause::Maintenance => ("维护保养", "maintenance"),
            Cause::Test => ("设备测试", "a test"),
            Cause::Drill => ("演练", "a drill"),
            Cause::Other => ("其他", "another cause"),
            Cause::Unknown => ("原因不明", "not known"),
        };
        Words { zh: zh.into(), en: en.into() }
    }

    /// Whether it goes with a verdict: nothing real is caused by a drill, and no test by arson. Whoever repeats the desk's
    /// rules asks this too, for a verdict whose cause does not fit is refused.
    pub fn fits(self, verdict: Verdict) -> bool {
        match self {
            Cause::Other | Cause::Unknown => true,
            Cause::Cooking
            | Cause::Smoking
            | Cause::Heating
            | Cause::Welding
            | Cause::Candle
            | Cause::Fireworks
            | Cause::Wiring
            | Cause::Battery
            | Cause::Appliance
            | Cause::GasLeak
            | Cause::Water => matches!(verdict, Verdict::Real | Verdict::False),
            Cause::Arson => verdict == Verdict::Real,
            Cause::Steam | Cause::Dust | Cause::Insects | Cause::Mistake => verdict == Verdict::False,
            // of a fault's alert it is what is real
            Cause::DeviceFault => matches!(verdict, Verdict::Real | Verdict::False),
            Cause::Maintenance => matches!(verdict, Verdict::False | Verdict::Test),
            Cause::Test | Cause::Drill => verdict == Verdict::Test,
        }
    }

    /// The codes that go with a verdict, for a refusal that says what can be said.
    pub fn fitting(verdict: Verdict) -> String {
        let fitting = Cause::ALL.into_iter().filter(|cause| cause.fits(verdict)).map(Cause::word);
        fitting.collect::<Vec<_>>().join(", ")
    }
}
