//! What is told of heat, smoke and carbon monoxide together.

use model::finding::Words;

use super::{Above, Fusion, Memory, SMOKE_CO, SMOKE_HEAT, Settings, UNIT, obscuration_pct_m};
use crate::rule::{Note, Rule, Watching, words};
use crate::why::Watch;

pub(super) fn of(condition: usize, note: &Note) -> (Words, Words) {
    let Note { a, b, c, n } = note;
    let (zh, en) = match *n {
        0 => (
            format!("温升 {a:.1} K、烟雾 {b:.2} dB/m、一氧化碳 +{c:.0} ppm，不再同时升高"),
            format!("+{a:.1} K, smoke {b:.2} dB/m, CO +{c:.0} ppm: no longer high together"),
        ),
        SMOKE_HEAT => (
            format!("温度与烟雾同时升高：快速温升 {a:.1} K，烟雾 {b:.2} dB/m"),
            format!("heat and smoke rise together: +{a:.1} K within short time, smoke {b:.2} dB/m"),
        ),
        SMOKE_CO => (
            format!("烟雾与一氧化碳同时升高：烟雾 {b:.2} dB/m，一氧化碳 +{c:.0} ppm"),
            format!("smoke and carbon monoxide rise together: {b:.2} dB/m, +{c:.0} ppm"),
        ),
        _ => (
            format!("温度与一氧化碳同时升高：快速温升 {a:.1} K，一氧化碳 +{c:.0} ppm"),
            format!("heat and carbon monoxide rise together: +{a:.1} K within short time, +{c:.0} ppm"),
        ),
    };
    let change = if *n == 0 {
        words("再次同时升高", "rising together again")
    } else {
        words("不再同时升高", "no longer high together")
    };
    if condition == UNIT {
        return (words(format!("不同探测器：{zh}"), format!("different detectors: {en}")), change);
    }
    (words(zh, en), change)
}

/// What is looked at now, and how far it is.
pub(super) fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
    let name = Fusion::CONDITIONS[0].name;
    let known = |memory: &&Memory| {
        let co = memory.air.as_ref().map_or(0, |air| air.co.seen);
        memory.heat.seen.max(memory.smoke.seen).max(co) > 0
    };
    let Some(memory) = memory.filter(known) else { return vec![Watch::no_data(name)] };
    let above = memory.above(settings, watching.now_ms);
    let Above { heat_k, smoke_db_m, co_ppm, steam } = above;
    let Settings { heat_k: heat, smoke_db_m: smoke, co_ppm: co, smoke_heat, smoke_co, .. } = settings;
    let (product, by_co) = (heat_k * smoke_db_m, obscuration_pct_m(smoke_db_m) * co_ppm);
    let (zh, en) =
        if steam { ("；湿度突升，温升要求加倍", "; steam: more heat is asked for") } else { ("", "") };
    vec![Watch::of(
        name,
        watching.holds(0),
        heat_k >= *heat || smoke_db_m >= *smoke || co_ppm >= *co,
        format!(
            "快速温升 {heat_k:.1}/{heat:.1} K，烟雾 {smoke_db_m:.3}/{smoke:.2} dB/m，一氧化碳 +{co_ppm:.0}/{co:.0} ppm；\
             烟×温 {product:.2}/{smoke_heat:.2}，烟×一氧化碳 {by_co:.0}/{smoke_co:.0}{zh}"
        ),
        format!(
            "heat +{heat_k:.1} of {heat:.1} K, smoke {smoke_db_m:.3} of {smoke:.2} dB/m, CO +{co_ppm:.0} of {co:.0} ppm; \
             smoke x heat {product:.2} of {smoke_heat:.2}, smoke x CO {by_co:.0} of {smoke_co:.0}{en}"
        ),
    )]
}
