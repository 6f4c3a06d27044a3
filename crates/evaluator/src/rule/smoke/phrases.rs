//! What is told of smoke.

use model::finding::Words;

use super::{CONTAMINATED, Memory, PREALARM, SMOKE, Settings, Smoke, WORN};
use crate::rule::{Note, Rule, Watching, words};
use crate::why::Watch;

pub(super) fn of(condition: usize, note: &Note) -> (Words, Words) {
    let Note { a, b, c, n } = note;
    match (condition, n) {
        (SMOKE, 0) => (
            words(format!("烟雾浓度 {a:.2} dB/m，低于 {b:.2}"), format!("smoke {a:.2} dB/m, below {b:.2}")),
            words("烟雾再次达到阈值", "smoke at the threshold again"),
        ),
        (SMOKE, _) => (
            words(
                format!("烟雾浓度 {a:.2} dB/m，连续 {n} 次、{c:.0} 秒不低于 {b:.2}"),
                format!("smoke {a:.2} dB/m, {n} samples in {c:.0} s not below {b:.2}"),
            ),
            words("烟雾浓度持续低于解除值", "smoke density stays below the clearing value"),
        ),
        (PREALARM, 0) => (
            words(format!("烟雾浓度回落至 {a:.2} dB/m"), format!("smoke is back at {a:.2} dB/m")),
            words("烟雾再次达到预警值", "smoke at the warning level again"),
        ),
        (PREALARM, _) => (
            words(
                format!("烟雾浓度 {a:.2} dB/m，{c:.0} 秒不低于预警值 {b:.2}"),
                format!("smoke {a:.2} dB/m, for {c:.0} s not below the warning level {b:.2}"),
            ),
            words("烟雾浓度回落", "smoke density falls back"),
        ),
        (CONTAMINATED, 0) | (_, 0) => (
            words(format!("零点恢复至 {a:.3} dB/m"), format!("the zero is back at {a:.3} dB/m")),
            words("零点再次偏移", "the zero shifts again"),
        ),
        (CONTAMINATED, _) => (
            words(
                format!("探测器受污染：零点偏移 {a:.3} dB/m，补偿上限 {b:.3}"),
                format!("the detector is contaminated: its zero is shifted by {a:.3} dB/m, {b:.3} can be compensated"),
            ),
            words("清洗探测器", "cleaning the detector"),
        ),
        (_, _) => (
            words(
                format!("探测器补偿已用尽：零点偏移 {a:.3} dB/m，上限 {b:.3}"),
                format!("the detector's compensation is used up: its zero is shifted by {a:.3} dB/m of {b:.3}"),
            ),
            words("更换或清洗探测器", "replacing or cleaning the detector"),
        ),
    }
}

/// What is looked at now, and how far it is.
pub(super) fn watches(settings: &Settings, memory: &Memory, watching: &Watching<'_>) -> Vec<Watch> {
    let Memory { newest, confirm, prealarm, zero, dose, .. } = memory;
    let doubt = memory.doubt(settings, memory.pace.last_ms);
    let (threshold, dense) =
        (settings.threshold_db_m * doubt, settings.dense_db_m.max(settings.threshold_db_m) * doubt);
    let (zh, en) = if doubt > 1.0 {
        ("（无一氧化碳或湿度突升，要求提高）", " (more is asked for: no carbon monoxide, or a leap of humidity)")
    } else {
        ("", "")
    };
    let (count, need) = (confirm.count(), settings.confirm_samples);
    let held_s = if count > 0 { confirm.held_s(watching.now_ms) } else { 0 };
    let reached = if count > 0 { *dose } else { 0.0 };
    let asked = dense * dense * settings.confirm_s as f32;
    let hold_s = settings.confirm_s as f32 * doubt;
    let mut smoke = Watch::of(
        Smoke::CONDITIONS[SMOKE].name,
        watching.holds(SMOKE),
        count > 0,
        format!(
            "烟雾浓度 {newest:.3} dB/m（已扣零点），阈值 {threshold:.2}{zh}；连续 {count}/{need} 次，{held_s}/{hold_s:.0} 秒，剂量 {reached:.2}/{asked:.2} (dB/m)²·s"
        ),
        format!(
            "smoke {newest:.3} dB/m above the zero, threshold {threshold:.2}{en}; {count} of {need} samples, {held_s} of \
             {hold_s:.0} s, dose {reached:.2} of {asked:.2} (dB/m)^2 s"
        ),
    );
    smoke.due_ms = memory.due(settings, watching.device.report_every_s).filter(|_| !watching.holds(SMOKE));
    let warned_s = if prealarm.count() > 0 { prealarm.held_s(watching.now_ms) } else { 0 };
    let warning = Watch::of(
        Smoke::CONDITIONS[PREALARM].name,
        watching.holds(PREALARM),
        prealarm.count() > 0,
        format!(
            "烟雾浓度 {newest:.3} dB/m，预警值 {:.2}，{warned_s}/{} 秒",
            settings.prealarm_db_m, settings.prealarm_s
        ),
        format!(
            "smoke {newest:.3} dB/m, warning at {:.2}, {warned_s} of {} s",
            settings.prealarm_db_m, settings.prealarm_s
        ),
    );
    let zero_of = |condition: usize, limit: f32| {
        let value = zero.value;
        Watch::of(
            Smoke::CONDITIONS[condition].name,
            watching.holds(condition),
            value.abs() >= limit,
            format!("零点 {value:.3} dB/m，限值 {limit:.3}，须持续 {} 秒", settings.contaminated_s),
            format!("zero {value:.3} dB/m, limit {limit:.3} for {} s", settings.contaminated_s),
        )
    };
    let limit = settings.zero_max_db_m * settings.contaminated_share;
    vec![smoke, warning, zero_of(CONTAMINATED, limit), zero_of(WORN, settings.zero_max_db_m)]
}
