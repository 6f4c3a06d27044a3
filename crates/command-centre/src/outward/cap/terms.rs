//! The words of CAP 1.2 for what the desk knows.
//!
//! | CAP | from |
//! |---|---|
//! | `category` | fire: `Fire`; warning and fault: `Safety` |
//! | `severity` | red `Extreme`, orange `Severe`, yellow `Moderate`, blue `Minor` |
//! | `urgency` | fire `Immediate`; warning: red `Immediate`, orange `Expected`, else `Future`; fault `Expected`; once restored or over `Past` |
//! | `certainty` | verified real `Observed`, found false or a test `Unlikely`; not verified: a red fire `Likely`, other fires `Possible`, a warning `Likely` when red or orange, else `Possible`, a fault `Observed` |
//! | `responseType` | over `AllClear`; restored `Monitor`; fire: verified real `Execute`, else `Assess`; warning `Prepare`; fault `Monitor` |
//! | `status` | an ordered drill `Exercise`, tests of devices `Test`, everything else `Actual` |

use model::{AlertState, AlertSummary, Colour, Family, Verdict};

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MsgType {
    Alert,
    Update,
    Cancel,
}

impl MsgType {
    pub(super) fn word(self) -> &'static str {
        match self {
            MsgType::Alert => "Alert",
            MsgType::Update => "Update",
            MsgType::Cancel => "Cancel",
        }
    }
}

/// How far an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Holds,
    /// Its sensors are back to normal, or the work on it was found done; it is still open.
    Restored,
    Over,
}

/// The one place to say it for a new state.
fn stage_of(state: AlertState) -> Stage {
    match state {
        AlertState::Raised
        | AlertState::Acknowledged
        | AlertState::Arrived
        | AlertState::Verified
        | AlertState::InWork
        | AlertState::Shelved
        | AlertState::OutOfService => Stage::Holds,
        AlertState::Restored | AlertState::RestoredUnacknowledged | AlertState::Checked => Stage::Restored,
        AlertState::Closed => Stage::Over,
    }
}

/// How far it is, its verdict included.
pub(super) fn stage(summary: &AlertSummary) -> Stage {
    match summary.verdict {
        Some(Verdict::False | Verdict::Test) => Stage::Over,
        Some(Verdict::Real) | None => stage_of(summary.state),
    }
}

/// Whether there is nothing left to heed: closed, or found to be nothing.
pub(super) fn is_over(summary: &AlertSummary) -> bool {
    stage(summary) == Stage::Over
}

pub(super) fn category(family: Family) -> &'static str {
    match family {
        Family::Fire => "Fire",
        Family::Warning | Family::Fault => "Safety",
    }
}

pub(super) fn severity(colour: Colour) -> &'static str {
    match colour {
        Colour::Red => "Extreme",
        Colour::Orange => "Severe",
        Colour::Yellow => "Moderate",
        Colour::Blue => "Minor",
        Colour::Blind => "Unknown",
    }
}

pub(super) fn urgency(summary: &AlertSummary) -> &'static str {
    match (stage(summary), summary.id.family, summary.colour) {
        (Stage::Restored | Stage::Over, _, _) => "Past",
        (Stage::Holds, Family::Fire, _) | (Stage::Holds, Family::Warning, Colour::Red) => "Immediate",
        (Stage::Holds, Family::Warning, Colour::Orange) | (Stage::Holds, Family::Fault, _) => "Expected",
        (Stage::Holds, Family::Warning, Colour::Yellow | Colour::Blue | Colour::Blind) => "Future",
    }
}

pub(super) fn certainty(summary: &AlertSummary) -> &'static str {
    match (summary.verdict, summary.id.family, summary.colour) {
        (Some(Verdict::Real), _, _) | (None, Family::Fault, _) => "Observed",
        (Some(Verdict::False | Verdict::Test), _, _) => "Unlikely",
        (None, Family::Fire, Colour::Red) | (None, Family::Warning, Colour::Red | Colour::Orange) => "Likely",
        (None, Family::Fire | Family::Warning, _) => "Possible",
    }
}

pub(super) fn response(summary: &AlertSummary) -> &'static str {
    match (stage(summary), summary.id.family, summary.verdict) {
        (Stage::Over, _, _) => "AllClear",
        (Stage::Restored, _, _) | (Stage::Holds, Family::Fault, _) => "Monitor",
        (Stage::Holds, Family::Fire, Some(Verdict::Real)) => "Execute",
        (Stage::Holds, Family::Fire, _) => "Assess",
        (Stage::Holds, Family::Warning, _) => "Prepare",
    }
}

pub(super) fn status(exercise: Option<Exercise>) -> &'static str {
    match exercise {
        None => "Actual",
        Some(Exercise::Drill) => "Exercise",
        Some(Exercise::Test) => "Test",
    }
}

/// What is not in earnest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exercise {
    /// Ordered: people are to act.
    Drill,
    /// Of devices: nobody is to act.
    Test,
}

impl Exercise {
    pub(super) fn note(self) -> &'static str {
        match self {
            Exercise::Drill => "演练，请勿真实出动 Exercise, not a real emergency",
            Exercise::Test => "测试，请勿出动 Test, do not respond",
        }
    }

    pub(super) fn mark(self, language: Language) -> &'static str {
        match self {
            Exercise::Drill => language.of("【演练】", "[EXERCISE] "),
            Exercise::Test => language.of("【测试】", "[TEST] "),
        }
    }
}

/// A language that messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

impl Language {
    pub(super) const ALL: [Language; 2] = [Language::Chinese, Language::English];

    /// RFC 3066.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en-US",
        }
    }

    /// The one of two texts that is in this language.
    pub(super) fn of<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Language::Chinese => zh,
            Language::English => en,
        }
    }
}

pub(super) fn event(family: Family, language: Language) -> &'static str {
    match family {
        Family::Fire => language.of("火警", "Fire alarm"),
        Family::Warning => language.of("消防预警", "Fire hazard"),
        Family::Fault => language.of("消防设施故障", "Fire equipment fault"),
    }
}

pub(super) fn colour(colour: Colour, language: Language) -> &'static str {
    match colour {
        Colour::Red => language.of("红色", "red"),
        Colour::Orange => language.of("橙色", "orange"),
        Colour::Yellow => language.of("黄色", "yellow"),
        Colour::Blue => language.of("蓝色", "blue"),
        Colour::Blind => language.of("失明", "blind"),
    }
}

/// What is known of it, for the end of a description.
pub(super) fn standing(summary: &AlertSummary, language: Language) -> &'static str {
    if summary.state == AlertState::Checked && !is_over(summary) {
        return language.of("处置已核查，待结案。", "The work was found done; it is about to be closed.");
    }
    match (summary.verdict, stage_of(summary.state)) {
        (Some(Verdict::False), _) => language.of("经核实为误报，解除。", "Verified as a false alarm. All clear."),
        (Some(Verdict::Test), _) => language.of("经核实为测试，解除。", "Verified as a test. All clear."),
        (Some(Verdict::Real) | None, Stage::Over) => language.of("已结案，解除。", "Closed. All clear."),
        (Some(Verdict::Real), Stage::Holds) => language.of("现场核实属实。", "Verified as real on the spot."),
        (Some(Verdict::Real), Stage::Restored) => {
            language.of("现场核实属实；传感器已恢复正常。", "Verified as real; the sensors are back to normal.")
        }
        (None, Stage::Restored) => {
            language.of("传感器已恢复正常，尚未核实。", "The sensors are back to normal; not verified yet.")
        }
        (None, Stage::Holds) => language.of("尚未核实。", "Not verified yet."),
    }
}

/// What is to be done.
pub(super) fn instruction(summary: &AlertSummary, language: Language) -> &'static str {
    match response(summary) {
        "AllClear" => language.of("无需处置。", "Nothing is to be done."),
        "Execute" => language.of("按预案出动处置，疏散人员。", "Respond as planned and evacuate."),
        "Assess" => {
            language.of("立即派人到场核实，做好出动准备。", "Verify on the spot at once and be ready to respond.")
        }
        "Prepare" => language.of("到场排查隐患，做好处置准备。", "Look into the hazard and be ready."),
        _ => language.of("持续关注，安排检查维修。", "Keep watching, and have it inspected."),
    }
}
