//! What goes up when an order ends: one message to whoever gave it and to the chief of its region.

use std::collections::{BTreeMap, BTreeSet};

use model::finding::Words;
use model::order::Asked;
use model::roster::Post;
use model::{FeedKind, KeptKind, Level, OrderBody, PersonId, RegionCode, Roster, wire};

use super::ask::owe;
use super::{Open, Orders, keep, summary};
use crate::turn::Draft;
use model::order::DeafChannel;

/// Names told of those who are missing.
const NAMES_MAX: usize = 5;

/// Tells the superiors what came of an order. Of a city's roll-call each township's chief is told what concerns their
/// township, where somebody is missing.
pub(super) fn on_end(open: &Open, draft: &mut Draft<'_>) {
    let record = &open.record;
    let roster = draft.roster;
    let words = match &record.order.body {
        OrderBody::Instruct { .. } | OrderBody::ChannelTest { .. } => of_all(open),
        OrderBody::RollCall { .. } => of_roll_call(open, record.region),
        OrderBody::Drill { .. } => Words {
            zh: format!("演练结束：{}起，详见报告", record.alerts.len()).into(),
            en: format!("the drill is over: {} alerts, see the report", record.alerts.len()).into(),
        },
        _ => return,
    };
    let mut told = BTreeSet::new();
    let mut tell = |people: Vec<PersonId>, words: Words, draft: &mut Draft<'_>| {
        let head = summary(record, "report", words);
        for person in people {
            if let Some(row) = roster.person(person).filter(|_| told.insert(person)) {
                owe(&head, "r", person, row, draft);
            }
        }
    };
    let mut up = superiors(roster, record.region);
    up.extend(roster.person_by_code(&record.order.person));
    tell(up, words, draft);
    if matches!(record.order.body, OrderBody::RollCall { .. }) && record.region.level() == Level::City {
        let silent = open.asked.values().filter(|asked| asked.answers.is_empty());
        let townships: BTreeSet<_> = silent.filter_map(|asked| asked.region.at(Level::Township)).collect();
        for township in townships {
            tell(superiors(roster, township), of_roll_call(open, township), draft);
        }
    }
}

/// Who answers for a region, as the roster has them.
pub(super) fn superiors(roster: &Roster, region: RegionCode) -> Vec<PersonId> {
    let at = |level, post| region.at(level).map_or(&[][..], |region| roster.people_at(region, post)).to_vec();
    match region.level() {
        Level::City => at(Level::City, Post::Commander),
        Level::Township => at(Level::Township, Post::TownshipChief),
        Level::Village | Level::Grid => at(Level::Village, Post::VillageChief),
    }
}

fn of_all(open: &Open) -> Words {
    let counts = &open.record.counts;
    let (asked, delivered, read, done) = (counts.asked, counts.delivered, counts.read, counts.done);
    let silent = counts.silent();
    Words {
        zh: format!(
            "结果：应达{asked}人，送达{delivered}，已读{read}，完成{done}，不能{}，未应答{silent}",
            counts.cannot
        )
        .into(),
        en: format!(
            "{asked} asked, {delivered} reached, {read} read, {done} done, {} cannot, {silent} silent",
            counts.cannot
        )
        .into(),
    }
}

fn of_roll_call(open: &Open, region: RegionCode) -> Words {
    let asked: Vec<&Asked> = open.asked.values().filter(|asked| region.contains(asked.region)).collect();
    let missing: Vec<&Asked> = asked.iter().copied().filter(|asked| asked.answers.is_empty()).collect();
    let mut names: Vec<&str> = missing.iter().take(NAMES_MAX).map(|asked| &*asked.name).collect();
    if missing.len() > NAMES_MAX {
        names.push("…");
    }
    let (all, gone) = (asked.len(), missing.len());
    Words {
        zh: format!("查岗：应到{all}人，到岗{}，缺{gone}：{}", all - gone, names.join("、")).into(),
        en: format!("roll-call: {} of {all} present, {gone} missing: {}", all - gone, names.join(", ")).into(),
    }
}

impl Orders {
    /// After a test: which channels are deaf, and which no longer.
    pub(super) fn judge_channels(&mut self, open: &Open, draft: &mut Draft<'_>) {
        let roster = draft.roster;
        let gone = self.deaf.iter().filter(|((person, channel), _)| {
            let row = roster.person(*person).filter(|_| roster.is_current(*person));
            row.is_none_or(|row| !row.channels.contains(channel))
        });
        for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            if let Some(left) = self.deaf.remove(&key) {
                keep(draft, KeptKind::DeafChannel, left.key(), None);
            }
        }
        let mut failed: BTreeMap<RegionCode, u32> = BTreeMap::new();
        for asked in open.asked.values() {
            for way in &asked.ways {
                let key = (asked.person, way.channel.clone());
                if way.end.as_ref().is_some_and(|end| end.delivered) {
                    if let Some(healed) = self.deaf.remove(&key) {
                        keep(draft, KeptKind::DeafChannel, healed.key(), None);
                    }
                    continue;
                }
                let since_ms = self.deaf.get(&key).map_or(draft.now_ms, |deaf| deaf.since_ms);
                let deaf = DeafChannel {
                    person: asked.person,
                    code: asked.code.clone(),
                    name: asked.name.clone(),
                    region: asked.region,
                    channel: way.channel.clone(),
                    since_ms,
                    test: open.record.id,
                    reason: way
                        .end
                        .as_ref()
                        .map_or_else(|| "no receipt in the window".into(), |end| end.reason.clone()),
                };
                keep(draft, KeptKind::DeafChannel, deaf.key(), Some(wire::encode(&deaf)));
                if self.deaf.insert(key, deaf).is_none() {
                    let township = asked.region.at(Level::Township).unwrap_or(asked.region);
                    *failed.entry(township).or_default() += 1;
                }
            }
        }
        for (region, count) in failed {
            draft.tell_place(FeedKind::ChannelFailed, region, format!("{count} channels").into());
        }
    }
}
