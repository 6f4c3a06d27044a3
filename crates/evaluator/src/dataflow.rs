//! The timely dataflow: Commits → Units → Rollup → Sink. Its logical time is the journal's epoch.
//!
//! A commit goes through as one part for each worker (shared, not copied), also when it is empty: exactly one output comes
//! of each epoch. `Units` needs no frontier, as each worker gets one part an epoch, in order; `Rollup` waits for the
//! frontier to know that all workers' parts are there.
//!
//! One worker, on a thread of ours. For several, `Commits` would give each worker its part (`Share`), and each worker its
//! own checkpoint; nothing else changes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use model::{Epoch, Evaluated, Step};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::generic::{Operator, OperatorInfo};
use timely::dataflow::{Scope, Stream};
use timely::scheduling::activate::SyncActivator;

use crate::checkpoint::Writer;
use crate::judge::{Judge, Judged};
use crate::liveness::Liveness;
use crate::rollup::Rollup;
use crate::watchdog::Flow;

/// What the worker's thread is given.
pub struct Worker {
    pub judge: Judge,
    pub writer: Writer,
    pub inbox: Receiver<Step>,
    pub out: Box<dyn FnMut(Evaluated) + Send>,
    pub flow: Arc<Flow>,
    pub liveness: Arc<Liveness>,
    pub ready: SyncSender<SyncActivator>,
}

/// Something that stays within its process. Timely asks that what it exchanges can be written down; between threads it
/// never is.
struct Local<T> {
    worker: usize,
    item: T,
}

impl<T> Serialize for Local<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("parts of a commit do not leave their process"))
    }
}

impl<'de, T> Deserialize<'de> for Local<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("parts of a commit do not leave their process"))
    }
}

type Parts<'s, T> = Stream<'s, Epoch, Vec<Local<T>>>;

/// Runs the worker until its inbox is closed and everything is out.
pub fn run(worker: Worker) {
    let Worker { judge, writer, inbox, out, flow, liveness, ready } = worker;
    // timely takes what is sent between threads, though here nothing is
    let given = std::sync::Mutex::new(Some((judge, writer, inbox, out, flow, liveness, ready)));
    timely::execute::execute_directly(move |worker| {
        let mut given = given.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (judge, writer, inbox, out, flow, liveness, ready) = given.take().expect("the worker runs once");
        drop(given);
        let rollup = Rollup::of(judge.counted());
        let state = Rc::new(RefCell::new((judge, writer)));
        worker.dataflow::<Epoch, _, _>(|scope| {
            let commits = commits(scope, inbox, &ready);
            let judged = units(commits, Rc::clone(&state), liveness);
            let evaluated = roll_up(judged, rollup);
            hand_over(evaluated, out, flow);
        });
        while worker.has_dataflows() {
            worker.step_or_park(None);
        }
        let (judge, writer) =
            Rc::into_inner(state).expect("the dataflow is gone, and its operators with it").into_inner();
        writer.finish(judge.state());
    });
}

/// One commit at each call, so that the first is out before the next is begun.
fn commits<'s>(scope: Scope<'s, Epoch>, inbox: Receiver<Step>, ready: &SyncSender<SyncActivator>) -> Parts<'s, Step> {
    source(scope, "Commits", |capability: Capability<Epoch>, info: OperatorInfo| {
        let from_outside = scope.worker().sync_activator_for(info.address.to_vec());
        ready.send(from_outside).expect("whoever starts the worker waits for it");
        let again = scope.activator_for(info.address);
        let mut capability = Some(capability);
        move |output: &mut timely::dataflow::operators::generic::OutputBuilderSession<
            '_,
            Epoch,
            timely::container::CapacityContainerBuilder<Vec<Local<Step>>>,
        >| {
            let Some(held) = capability.as_mut() else { return };
            match inbox.try_recv() {
                Ok(step) => {
                    let epoch = step.commit.epoch;
                    held.downgrade(&epoch);
                    output.session(&held).give(Local { worker: 0, item: step });
                    held.downgrade(&(epoch + 1));
                    again.activate();
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => capability = None,
            }
        }
    })
}

/// Judges each commit; the exchange takes each part to the worker whose villages it is for.
fn units<'s>(
    commits: Parts<'s, Step>,
    state: Rc<RefCell<(Judge, Writer)>>,
    liveness: Arc<Liveness>,
) -> Parts<'s, Judged> {
    let route = Exchange::new(|part: &Local<Step>| part.worker as u64);
    commits.unary(route, "Units", |_, _| {
        move |input, output| {
            input.for_each_stamp(|stamp, parts| {
                let mut session = output.session(&stamp);
                for part in parts.flat_map(|parts| parts.drain(..)) {
                    let (judge, writer) = &mut *state.borrow_mut();
                    let readings = part.item.commit.readings.len() as u64;
                    let roster = judge.state().roster;
                    let judged = judge.apply(part.item);
                    if judge.state().roster == roster {
                        liveness.take(&judged, judge.state());
                    } else {
                        liveness.take_all(judge.state());
                    }
                    metrics::counter!("fenghuo_evaluator_readings_total").increment(readings);
                    writer.consider(judge.state());
                    session.give(Local { worker: 0, item: judged });
                }
            });
        }
    })
}

/// Joins the parts of each epoch that is complete.
fn roll_up<'s>(judged: Parts<'s, Judged>, mut rollup: Rollup) -> Parts<'s, Evaluated> {
    let to_one = Exchange::new(|part: &Local<Judged>| part.worker as u64);
    judged.unary_frontier(to_one, "Rollup", |_, _| {
        let mut waiting: BTreeMap<Epoch, (Capability<Epoch>, Vec<Judged>)> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each_stamp(|stamp, parts| {
                let Some(capability) = stamp.retain_least(output.output_index()) else { return };
                let (_, kept) = waiting.entry(*capability.time()).or_insert_with(|| (capability, Vec::new()));
                kept.extend(parts.flat_map(|parts| parts.drain(..)).map(|part| part.item));
            });
            while let Some(entry) = waiting.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let (capability, parts) = entry.remove();
                if let Some(evaluated) = rollup.join(parts) {
                    output.session(&capability).give(Local { worker: 0, item: evaluated });
                }
            }
        }
    })
}

/// Gives each epoch's output to the next stage, in order.
fn hand_over(evaluated: Parts<'_, Evaluated>, mut out: Box<dyn FnMut(Evaluated) + Send>, flow: Arc<Flow>) {
    evaluated.sink(Pipeline, "Sink", move |(input, _)| {
        input.for_each_stamp(|_, parts| {
            for part in parts.flat_map(|parts| parts.drain(..)) {
                let findings = part.item.findings.len() as u64;
                flow.hand_over();
                out(part.item);
                flow.leave();
                metrics::counter!("fenghuo_evaluator_commits_total").increment(1);
                metrics::counter!("fenghuo_evaluator_findings_total").increment(findings);
            }
        });
    });
}
