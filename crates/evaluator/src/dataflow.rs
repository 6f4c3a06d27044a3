//! The timely dataflow: Commits → Units → Rollup → Sink. Its logical time is the journal's epoch.
//!
//! A commit goes through as one part for each worker (shared, not copied), also when it is empty: exactly one output comes
//! of each epoch. `Units` needs no frontier, as each worker gets one part an epoch, in order; `Rollup` waits for the
//! frontier to know that all workers' parts are there.
//!
//! Workers are threads of ours in one process. The first takes commits in, joins what all found and hands it over; each
//! judges its share of the villages. A roster that moves units between them makes them meet once ([`crate::ferry`]).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{Epoch, Evaluated, Step};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use timely::CommunicationConfig;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::generic::{Operator, OperatorInfo};
use timely::dataflow::{Scope, Stream};
use timely::scheduling::activate::SyncActivator;

use crate::checkpoint::{Clock, Writer};
use crate::ferry::Ferry;
use crate::judge::{Judge, Judged, Share};
use crate::liveness::Liveness;
use crate::risk::Board;
use crate::rollup::Rollup;
use crate::watchdog::{Flow, Guard};
use crate::why::Inquiries;

/// A worker that waits looks so often whether another has failed, where there are others.
const LOOK: Duration = Duration::from_millis(500);

/// What a worker's thread is given.
pub struct Worker {
    pub judge: Judge,
    pub writer: Writer,
    pub flow: Arc<Flow>,
    pub liveness: Arc<Liveness>,
    pub board: Arc<Board>,
    pub ferry: Arc<Ferry>,
    pub inquiries: Arc<Inquiries>,
    /// The first worker has the ends of the flow.
    pub ends: Option<Ends>,
}

/// Where commits come in and outputs go out.
pub struct Ends {
    pub inbox: Receiver<Step>,
    pub ready: SyncSender<SyncActivator>,
    pub clock: Clock,
    pub rollup: Rollup,
    pub out: Box<dyn FnMut(Evaluated) + Send>,
}

/// Runs the workers to their end: a single one on this thread, several on threads of timely's.
///
/// # Errors
/// When a worker failed, or no thread can be had.
pub fn run(mut workers: Vec<(Worker, Guard)>) -> Result<(), String> {
    if workers.len() == 1
        && let Some((worker, _guard)) = workers.pop()
    {
        work(worker, Allocator::Thread(Thread::default()));
        return Ok(());
    }
    let (connections, others) = CommunicationConfig::Process(workers.len()).try_build()?;
    let workers = Mutex::new(workers.into_iter().map(Some).collect::<Vec<_>>());
    let threads = timely::communication::initialize_from(connections, others, move |connection| {
        let mut waiting = workers.lock().unwrap_or_else(PoisonError::into_inner);
        let (worker, _guard) = waiting[connection.index()].take().expect("each worker runs once");
        drop(waiting);
        work(worker, connection);
    })?;
    threads.join().into_iter().collect()
}

/// A worker's part of a commit.
struct Part {
    step: Step,
    /// A checkpoint is taken after it.
    checkpoint: bool,
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

/// Runs a worker until the inbox is closed and everything is out, or another worker has failed.
fn work(worker: Worker, connection: Allocator) {
    let Worker { judge, writer, flow, liveness, board, ferry, inquiries, ends } = worker;
    let Share { worker, workers } = judge.share();
    let mut timely = timely::worker::Worker::new(WorkerConfig::default(), connection, Some(Instant::now()));
    let state = Rc::new(RefCell::new(judge));
    let (from_outside, to_outside) = match ends {
        Some(Ends { inbox, ready, clock, rollup, out }) => (Some((inbox, ready, clock)), Some((rollup, out))),
        None => (None, None),
    };
    let (judging, flowing) = (Rc::clone(&state), Arc::clone(&flow));
    let judging = Units { judge: judging, writer: writer.clone(), flow: flowing, liveness, board, ferry };
    let (rollup, out) = to_outside.unzip();
    timely.dataflow::<Epoch, _, _>(|scope| {
        let commits = commits(scope, from_outside);
        let judged = units(commits, judging);
        let evaluated = roll_up(judged, rollup.unwrap_or_default());
        hand_over(evaluated, out.unwrap_or_else(|| Box::new(drop)), Arc::clone(&flow));
    });
    let woken = timely.sync_activator_for(Vec::new());
    let wake = move || {
        // a worker that is gone has nobody to wake
        let _ = woken.activate();
    };
    let answers = inquiries.counter(worker, Box::new(wake));
    let pause = (workers > 1).then_some(LOOK);
    while timely.has_dataflows() {
        if flow.has_failed() {
            return;
        }
        timely.step_or_park(pause);
        answers.answer(&state.borrow());
    }
    let judge = Rc::into_inner(state).expect("the dataflow is gone, and its operators with it").into_inner();
    writer.finish(judge.state());
}

/// One commit at each call, so that the first is out before the next is begun.
fn commits<'s>(
    scope: Scope<'s, Epoch>,
    from_outside: Option<(Receiver<Step>, SyncSender<SyncActivator>, Clock)>,
) -> Parts<'s, Part> {
    let workers = scope.worker().peers();
    source(scope, "Commits", |capability: Capability<Epoch>, info: OperatorInfo| {
        let again = scope.activator_for(info.address.clone());
        let mut open = from_outside.map(|(inbox, ready, clock)| {
            ready
                .send(scope.worker().sync_activator_for(info.address.to_vec()))
                .expect("whoever starts the worker waits for it");
            (inbox, clock, capability)
        });
        move |output: &mut timely::dataflow::operators::generic::OutputBuilderSession<
            '_,
            Epoch,
            timely::container::CapacityContainerBuilder<Vec<Local<Part>>>,
        >| {
            let Some((inbox, clock, capability)) = open.as_mut() else { return };
            match inbox.try_recv() {
                Ok(step) => {
                    let epoch = step.commit.epoch;
                    let checkpoint = clock.strikes(step.commit.at_ms);
                    capability.downgrade(&epoch);
                    let mut session = output.session(&capability);
                    for worker in 0..workers {
                        session.give(Local { worker, item: Part { step: step.clone(), checkpoint } });
                    }
                    drop(session);
                    capability.downgrade(&(epoch + 1));
                    again.activate();
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => open = None,
            }
        }
    })
}

/// What judges a worker's share.
struct Units {
    judge: Rc<RefCell<Judge>>,
    writer: Writer,
    flow: Arc<Flow>,
    liveness: Arc<Liveness>,
    board: Arc<Board>,
    ferry: Arc<Ferry>,
}

impl Units {
    fn apply(&self, part: Part) -> Judged {
        let judge = &mut *self.judge.borrow_mut();
        let Part { step, checkpoint } = part;
        let (roster, share) = (judge.state().roster, judge.share());
        let readings = step.commit.readings.len() as u64;
        if judge.may_cross(&step) {
            let leaving = judge.depart(&step);
            let Some(coming) = self.ferry.cross(share.worker, step.commit.epoch, leaving, &self.flow) else {
                // it said why; this one only ends with it
                std::panic::resume_unwind(Box::new("another worker failed"));
            };
            judge.arrive(coming);
        }
        let judged = judge.apply(step);
        if judge.state().roster == roster {
            self.liveness.take(&judged, judge.state());
        } else {
            self.liveness.take_all(judge.state(), share);
        }
        self.board.take(share.worker, judge.state().at_ms, judge.risk_version(), &judge.state().trends);
        if share.worker == 0 {
            metrics::counter!("fenghuo_evaluator_readings_total").increment(readings);
        }
        if checkpoint {
            self.writer.take(judge.state());
        }
        judged
    }
}

/// Judges each commit; the exchange takes each part to the worker whose villages it is for.
fn units(commits: Parts<'_, Part>, judging: Units) -> Parts<'_, Judged> {
    let route = Exchange::new(|part: &Local<Part>| part.worker as u64);
    commits.unary(route, "Units", |_, _| {
        move |input, output| {
            input.for_each_stamp(|stamp, parts| {
                let mut session = output.session(&stamp);
                for part in parts.flat_map(|parts| parts.drain(..)) {
                    session.give(Local { worker: 0, item: judging.apply(part.item) });
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
