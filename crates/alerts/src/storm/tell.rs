//! Who is told of an incident, and in which words.

use model::finding::Words;
use model::hold::StormKind;
use model::roster::Post;
use model::{Alert, Colour, FeedKind, Level, OrderId, OrderSummary, PersonId, RegionCode, Storm, UnitId};

use super::{Key, Open};
use crate::hold::Holds;
use crate::notice;
use crate::people::{self, Asked};
use crate::turn::Draft;

/// Who is told of a building.
const CHIEFS: [Post; 3] = [Post::VillageChief, Post::TownshipChief, Post::Commander];

/// An incident that begins with an alert.
pub(super) fn new_storm(id: OrderId, key: &Key, alert: &Alert, draft: &Draft<'_>) -> Storm {
    let (kind, region, address, rule) = match key {
        Key::Building(village, address) => (StormKind::Building, *village, address.clone(), "".into()),
        Key::Area(rule, _, region) => (StormKind::Area, *region, "".into(), rule.clone()),
    };
    Storm {
        id,
        kind,
        region,
        address,
        rule,
        family: alert.family(),
        colour: alert.colour,
        began_ms: draft.now_ms,
        joined_ms: draft.now_ms,
        ended_ms: None,
        merged_into: None,
        members: 0,
        villages: Vec::new(),
        confirmed: false,
        told: Vec::new(),
        tellings: 0,
        told_ms: draft.now_ms,
        told_members: 0,
        words: alert.summary().words,
    }
}

/// Names who will be told of a building at the end of this commit, so that their steps need no message of their own.
pub(super) fn name(holds: &mut Holds, id: OrderId, alert: &Alert, draft: &Draft<'_>) {
    let Some(open) = holds.storms.open.get_mut(&id) else { return };
    if open.storm.kind == StormKind::Building {
        open.storm.told = CHIEFS.into_iter().flat_map(|post| reachable(alert.grid, post, draft)).collect();
    }
}

/// People of a post who have a channel.
fn reachable(region: RegionCode, post: Post, draft: &Draft<'_>) -> Vec<PersonId> {
    // chiefs belong to regions, not to units
    let asked = Asked {
        roster: draft.roster,
        unit: UnitId(u32::MAX),
        grid: region,
        now_ms: draft.now_ms,
        stations_max: 0,
        urgent: true,
    };
    let named = people::named(&asked, post).into_iter().map(|named| named.person);
    let has_channel = |person: &PersonId| draft.roster.person(*person).is_some_and(|row| !row.channels.is_empty());
    named.filter(has_channel).collect()
}

/// Tells of incidents that began, grew or were confirmed in this commit, and of those that last.
pub(crate) fn news(ticked: bool, draft: &mut Draft<'_>) {
    let mut holds = std::mem::take(&mut draft.holds);
    let repeat_ms = u64::from(holds.policy.storm.repeat_s) * 1000;
    let storms = &mut holds.storms;
    if ticked {
        for (id, open) in &mut storms.open {
            let lasts = open.storm.kind == StormKind::Area && open.storm.told_ms + repeat_ms <= draft.now_ms;
            if lasts && open.storm.ended_ms.is_none() {
                open.news = true;
                storms.changed.insert(*id);
            }
        }
    }
    for id in &storms.changed {
        let Some(open) = storms.open.get_mut(id).filter(|open| open.storm.ended_ms.is_none()) else { continue };
        match open.storm.kind {
            StormKind::Building => building(open, draft),
            StormKind::Area => area(open, draft),
        }
        if !open.is_new {
            draft.tell_place(FeedKind::StormUpdated, open.storm.region, id.to_string().into());
        }
        open.news = false;
    }
    draft.holds = holds;
}

fn building(open: &mut Open, draft: &mut Draft<'_>) {
    let has_doubled = open.storm.members >= open.storm.told_members.saturating_mul(2);
    if !open.news && !has_doubled {
        return;
    }
    // whoever came on duty since is told, too
    for person in CHIEFS.into_iter().flat_map(|post| reachable(open.storm.region, post, draft)) {
        if !open.storm.told.contains(&person) {
            open.storm.told.push(person);
        }
    }
    let people = open.storm.told.clone();
    send(&mut open.storm, &people, draft);
}

fn area(open: &mut Open, draft: &mut Draft<'_>) {
    let mut people = if open.news { open.storm.told.clone() } else { Vec::new() };
    let villages = open.storm.villages.iter().map(|(village, _)| (*village, Post::VillageChief));
    let township = (open.storm.region.level() == Level::Township).then_some((open.storm.region, Post::TownshipChief));
    let mut fresh = Vec::new();
    for (region, post) in villages.chain(township) {
        for person in reachable(region, post, draft) {
            if !open.storm.told.contains(&person) && !fresh.contains(&person) {
                fresh.push(person);
            }
        }
    }
    people.extend(&fresh);
    if !people.is_empty() {
        open.storm.told.extend(fresh);
        send(&mut open.storm, &people, draft);
    }
}

fn send(storm: &mut Storm, people: &[PersonId], draft: &mut Draft<'_>) {
    storm.tellings = storm.tellings.saturating_add(1);
    storm.told_ms = draft.now_ms;
    storm.told_members = storm.members;
    let (kind, colour) = match storm.kind {
        StormKind::Building => ("building_fire", Colour::Red),
        StormKind::Area => ("area_incident", storm.colour),
    };
    let about = OrderSummary {
        id: storm.id,
        kind: kind.into(),
        colour,
        region: storm.region,
        by: "desk".into(),
        at_ms: draft.now_ms,
        words: words(storm, draft),
        alert: None,
        exercise: false,
        facts: None,
    };
    for person in people {
        let whom = draft.roster.person(*person).map_or("", |row| row.post.word());
        notice::owe(&about, whom, *person, storm.tellings.into(), draft);
    }
}

fn words(storm: &Storm, draft: &Draft<'_>) -> Words {
    let (place, count) = (draft.roster.region_name(storm.region), storm.members);
    let Words { zh, en } = &storm.words;
    match storm.kind {
        StormKind::Building => {
            let (real_zh, real_en) = if storm.confirmed { ("，已确认真火", ", confirmed") } else { ("", "") };
            let address = &storm.address;
            Words {
                zh: format!("{place} {address} 同一建筑 {count} 个单位火警{real_zh}：{zh}").into(),
                en: format!("{place}, {address}: fires in {count} units of one building{real_en}: {en}").into(),
            }
        }
        StormKind::Area => Words {
            zh: format!("{place} {count} 处同类告警，按一起事件处理：{zh}").into(),
            en: format!("{place}: {count} alerts of one kind, handled as one incident: {en}").into(),
        },
    }
}
