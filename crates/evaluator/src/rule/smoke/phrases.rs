//! What is told of smoke.

use model::finding::Words;

use super::{CONTAMINATED, PREALARM, SMOKE};
use crate::rule::{Note, words};

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
