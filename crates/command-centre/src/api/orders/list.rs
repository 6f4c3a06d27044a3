//! Lists of orders, and one with everybody who was asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::order::{Asked, DeafChannel, OrderCounts, OrderRecord};
use model::{KeptKind, Ledger, Level, OrderId, RegionCode, Roster, StoreError};
use serde::{Deserialize, Serialize, Serializer};

use super::report::{self, DrillReport};
use super::shapes::{AskedShape, CountsShape, OrderShape, PlaceShape};
use super::{PAGE, decode, no_order, order_id, people, record};
use crate::access::Caller;
use crate::extract::{InPath, Params, page_limit, region_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::region_name;
use crate::shared::Shared;

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Which {
    #[default]
    Open,
    Ended,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asking {
    #[serde(default)]
    state: Which,
    kind: Option<String>,
    region: Option<RegionCode>,
    limit: Option<usize>,
    before: Option<OrderId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    region: Option<RegionCode>,
    limit: Option<usize>,
    before: Option<OrderId>,
}

#[derive(Serialize)]
struct Page<'a> {
    orders: Vec<OrderShape<'a>>,
    #[serde(serialize_with = "id_or_null")]
    next: Option<OrderId>,
}

fn id_or_null<S: Serializer>(id: &Option<OrderId>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct League {
    region: Option<RegionCode>,
    limit: Option<usize>,
    before: Option<OrderId>,
    /// Regions of which level the league ranks.
    level: Option<Level>,
}

#[derive(Serialize)]
struct CallPage<'a> {
    orders: Vec<OrderShape<'a>>,
    #[serde(serialize_with = "id_or_null")]
    next: Option<OrderId>,
    /// Over the newest [`LEAGUE_MAX`] of the page that are no exercise.
    league: Vec<PlaceShape<'a>>,
}

/// Roll-calls that a league counts.
const LEAGUE_MAX: usize = 30;

/// What is looked for.
struct Wanted {
    is_open: bool,
    kind: Option<&'static str>,
    region: Option<RegionCode>,
    before: Option<OrderId>,
    limit: usize,
    scan_max: usize,
}

impl Wanted {
    fn fits(&self, record: &OrderRecord) -> bool {
        let touches = |region: RegionCode| region.contains(record.region) || record.region.contains(region);
        self.kind.is_none_or(|kind| kind == record.order.body.word()) && self.region.is_none_or(touches)
    }

    /// A page, newest first, and where the next begins.
    fn read(&self, ledger: &dyn Ledger) -> Result<(Vec<OrderRecord>, Option<OrderId>), StoreError> {
        let prefix = OrderRecord::prefix(self.is_open);
        let mut after: Box<[u8]> = match self.before {
            Some(before) => OrderRecord::key(before, self.is_open),
            None => Box::new(prefix),
        };
        let (mut page, mut scanned, mut last) = (Vec::new(), 0, None);
        loop {
            let rows = ledger.kept(KeptKind::Order, Some(&after), PAGE)?;
            let is_end = rows.len() < PAGE;
            for (key, value) in rows {
                if !key.starts_with(&prefix) {
                    return Ok((page, None));
                }
                if page.len() == self.limit || scanned == self.scan_max {
                    return Ok((page, last));
                }
                let found: OrderRecord = decode(&value)?;
                (last, after, scanned) = (Some(found.id), key.into(), scanned + 1);
                if self.fits(&found) {
                    page.push(found);
                }
            }
            if is_end {
                return Ok((page, None));
            }
        }
    }
}

const KINDS: [&str; 5] = ["instruct", "roll_call", "channel_test", "drill", "hand_off"];

/// `GET /api/v1/orders`
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asking>,
) -> Result<Response, Problem> {
    let kind = match &asked.kind {
        None => None,
        Some(word) => {
            let known = KINDS.into_iter().find(|kind| kind == word);
            let detail = || format!("kind: {word} is none of {}", KINDS.join(", "));
            Some(known.ok_or_else(|| Problem::new(Kind::BadRequest, detail()).with("field", "kind"))?)
        }
    };
    let paging = Paging { region: asked.region, limit: asked.limit, before: asked.before };
    let (orders, next) = page(&shared, &caller, paging, asked.state == Which::Open, kind).await?;
    let roster = shared.parts.view.roster();
    Ok(Json(Page { orders: heads(&orders, &roster, &caller), next }).into_response())
}

/// `GET /api/v1/roll-calls`: those that ended, newest first, and how regions did in them.
pub(crate) async fn roll_calls(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<League>,
) -> Result<Response, Problem> {
    let paging = Paging { region: asked.region, limit: asked.limit, before: asked.before };
    let region = region_limit(&caller, asked.region)?;
    let (orders, next) = page(&shared, &caller, paging, false, Some("roll_call")).await?;
    // exercises are kept out of the numbers
    let counted: Vec<(OrderId, u64)> =
        orders.iter().filter(|call| !call.exercise).map(|call| (call.id, call.at_ms)).take(LEAGUE_MAX).collect();
    let level = asked.level.unwrap_or(Level::Township);
    let read = move |ledger: &dyn Ledger| {
        let mut scores = Scores::default();
        for (id, at_ms) in counted {
            let here =
                people(ledger, id)?.into_iter().filter(|one| region.is_none_or(|part| part.contains(one.region)));
            here.for_each(|asked| scores.count(&asked, at_ms, level));
        }
        Ok(scores)
    };
    let scores = shared.read(read).await?;
    let roster = shared.parts.view.roster();
    let league = scores.places(&roster);
    Ok(Json(CallPage { orders: heads(&orders, &roster, &caller), next, league }).into_response())
}

async fn page(
    shared: &Shared,
    caller: &Caller,
    paging: Paging,
    is_open: bool,
    kind: Option<&'static str>,
) -> Result<(Vec<OrderRecord>, Option<OrderId>), Problem> {
    let settings = &shared.parts.settings;
    let wanted = Wanted {
        is_open,
        kind,
        region: region_limit(caller, paging.region)?,
        before: paging.before,
        limit: page_limit(paging.limit, settings.page_default, settings.page_max)?,
        scan_max: settings.scan_max,
    };
    shared.read(move |ledger| wanted.read(ledger)).await
}

fn heads<'a>(orders: &'a [OrderRecord], roster: &'a Roster, caller: &Caller) -> Vec<OrderShape<'a>> {
    orders.iter().map(|record| OrderShape::new(record, roster, caller.sees(record.region))).collect()
}

#[derive(Serialize)]
struct TestPage<'a> {
    orders: Vec<OrderShape<'a>>,
    #[serde(serialize_with = "id_or_null")]
    next: Option<OrderId>,
    /// Channels that the newest test of them did not get through.
    deaf: Vec<DeafShape<'a>>,
    deaf_count: usize,
}

#[derive(Serialize)]
struct DeafShape<'a> {
    person: &'a str,
    name: &'a str,
    region: RegionCode,
    channel: &'a str,
    since_ms: u64,
    test: OrderId,
    reason: &'a str,
}

/// `GET /api/v1/channel-tests`
pub(crate) async fn channel_tests(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    let region = region_limit(&caller, paging.region)?;
    let limit = page_limit(paging.limit, shared.parts.settings.page_default, shared.parts.settings.page_max)?;
    let (orders, next) = page(&shared, &caller, paging, false, Some("channel_test")).await?;
    let deaf = shared.read(deaf_channels).await?;
    let roster = shared.parts.view.roster();
    let here: Vec<&DeafChannel> =
        deaf.iter().filter(|deaf| region.is_none_or(|region| region.contains(deaf.region))).collect();
    let shapes = here.iter().take(limit).map(|deaf| DeafShape {
        person: &deaf.code,
        name: &deaf.name,
        region: deaf.region,
        channel: &deaf.channel,
        since_ms: deaf.since_ms,
        test: deaf.test,
        reason: &deaf.reason,
    });
    let deaf = shapes.collect();
    Ok(Json(TestPage { orders: heads(&orders, &roster, &caller), next, deaf, deaf_count: here.len() }).into_response())
}

fn deaf_channels(ledger: &dyn Ledger) -> Result<Vec<DeafChannel>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let rows = ledger.kept(KeptKind::DeafChannel, after.as_deref(), PAGE)?;
        let is_end = rows.len() < PAGE;
        for (key, value) in rows {
            all.push(decode(&value)?);
            after = Some(key);
        }
        if is_end {
            return Ok(all);
        }
    }
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum People {
    #[default]
    Silent,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detail {
    /// Whom the list names.
    #[serde(default)]
    people: People,
    /// Regions of which level the places are; the level below the order's without it.
    level: Option<Level>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    head: OrderShape<'a>,
    /// Of the people whom the caller sees.
    totals: CountsShape,
    places: Vec<PlaceShape<'a>>,
    people: Vec<AskedShape<'a>>,
    people_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drills: Vec<DrillReport>,
}

/// `GET /api/v1/orders/{id}`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    Params(asked): Params<Detail>,
) -> Result<Response, Problem> {
    let id = order_id(&id)?;
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let read = move |ledger: &dyn Ledger| {
        let Some(found) = record(ledger, id)? else { return Ok(None) };
        let alerts = report::read(ledger, &found)?;
        Ok(Some((people(ledger, id)?, alerts, found)))
    };
    let (mut everybody, alerts, found) = shared.read(read).await?.ok_or_else(|| no_order(id))?;
    let Some(part) = caller.visible_part(found.region) else { return Err(no_order(id)) };
    everybody.retain(|asked| part.contains(asked.region));
    let mut totals = OrderCounts::default();
    everybody.iter().for_each(|asked| totals.count(asked));
    let roster = shared.parts.view.roster();
    let below = asked.level.unwrap_or_else(|| level_below(part.level()));
    let people: Vec<&Asked> =
        everybody.iter().filter(|one| asked.people == People::All || one.answers.is_empty()).collect();
    // whose scope is less than the drill's region sees no report of it
    let whole = caller.sees(found.region);
    Ok(Json(Whole {
        head: OrderShape::new(&found, &roster, whole),
        totals: CountsShape::new(&totals),
        places: places(&found, &everybody, below, &roster),
        people_count: people.len(),
        people: people.into_iter().take(limit).map(|asked| AskedShape::new(asked, &roster)).collect(),
        drills: if whole { alerts.iter().map(|drilled| drilled.report(&roster)).collect() } else { Vec::new() },
    })
    .into_response())
}

fn level_below(level: Level) -> Level {
    match level {
        Level::City => Level::Township,
        Level::Township => Level::Village,
        Level::Village | Level::Grid => Level::Grid,
    }
}

/// The people of an order by region. Those of larger regions stand under their own.
fn places<'a>(record: &OrderRecord, people: &[Asked], level: Level, roster: &'a Roster) -> Vec<PlaceShape<'a>> {
    let mut scores = Scores::default();
    people.iter().for_each(|asked| scores.count(asked, record.at_ms, level));
    scores.places(roster)
}

/// How regions did: people, and the times to their first answers.
#[derive(Default)]
struct Scores(BTreeMap<RegionCode, (OrderCounts, Vec<u64>)>);

impl Scores {
    fn count(&mut self, asked: &Asked, ordered_ms: u64, level: Level) {
        let region = asked.region.at(level).unwrap_or(asked.region);
        let (counts, times_ms) = self.0.entry(region).or_default();
        counts.count(asked);
        times_ms.extend(asked.answers.first().map(|answer| answer.at_ms.saturating_sub(ordered_ms)));
    }

    /// Those who did best first: share of answers, then quickness.
    fn places(self, roster: &Roster) -> Vec<PlaceShape<'_>> {
        let place = |(region, (counts, mut times_ms)): (RegionCode, (OrderCounts, Vec<u64>))| {
            times_ms.sort_unstable();
            let median_ms = times_ms.get(times_ms.len() / 2).copied();
            PlaceShape {
                region,
                name: region_name(roster, region),
                share: counts.read as f32 / counts.asked.max(1) as f32,
                median_s: median_ms.map(|ms| ms as f32 / 1000.0),
                counts: CountsShape::new(&counts),
            }
        };
        let mut places: Vec<PlaceShape<'_>> = self.0.into_iter().map(place).collect();
        let slow = |place: &PlaceShape<'_>| place.median_s.unwrap_or(f32::INFINITY);
        places.sort_by(|a, b| {
            b.share.total_cmp(&a.share).then(slow(a).total_cmp(&slow(b))).then(a.region.cmp(&b.region))
        });
        places
    }
}
