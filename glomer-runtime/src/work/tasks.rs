//! The tasks of a node, and which of them can go on.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Wake, Waker};

use super::Request;

/// A future being run: a handler that waits, or something spawned.
pub(crate) struct Task {
    pub(crate) future: Pin<Box<dyn Future<Output = ()>>>,
    /// The request this task will answer when it completes.
    pub(crate) request: Option<Rc<Request>>,
    /// What it is, for people.
    pub(crate) what: String,
}

impl Task {
    fn size(&self) -> usize {
        self.request.as_ref().map_or(0, |request| request.size)
    }
}

#[derive(Default)]
pub(crate) struct Tasks {
    waiting: RefCell<Waiting>,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Waiting {
    tasks: BTreeMap<u64, (Task, Arc<TaskWaker>)>,
    spawned: u64,
    /// How long their requests are together, in bytes.
    size: usize,
}

impl Waiting {
    fn insert(&mut self, number: u64, task: Task, waker: Arc<TaskWaker>) {
        self.size += task.size();
        self.tasks.insert(number, (task, waker));
    }

    fn remove(&mut self, number: u64) -> Option<(Task, Arc<TaskWaker>)> {
        let (task, waker) = self.tasks.remove(&number)?;
        self.size -= task.size();
        Some((task, waker))
    }
}

/// A task that was taken out to have its turn.
pub(crate) struct Turn {
    pub(crate) task: Task,
    waker: Arc<TaskWaker>,
}

impl Turn {
    pub(crate) fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(self.waker.clone());
        let mut cx = task::Context::from_waker(&waker);
        self.task.future.as_mut().poll(&mut cx)
    }
}

/// Which tasks can go on. Other threads may wake tasks, hence the lock.
#[derive(Default)]
struct Ready(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    now: VecDeque<u64>,
    /// Those that woke themselves during their turn: it is for others first.
    later: VecDeque<u64>,
    /// The task that has its turn.
    running: Option<u64>,
    /// The driver's.
    waker: Option<Waker>,
    /// Whether the driver may be asleep.
    asleep: bool,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    task: u64,
    /// Whether it stands in a queue: once, however often it is woken.
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut queues = self.ready.lock();
        if queues.running == Some(self.task) {
            queues.later.push_back(self.task);
        } else {
            queues.now.push_back(self.task);
        }
        let sleeper = std::mem::take(&mut queues.asleep)
            .then(|| queues.waker.clone())
            .flatten();
        drop(queues);
        sleeper.inspect(Waker::wake_by_ref);
    }
}

impl Tasks {
    pub(crate) fn len(&self) -> usize {
        self.waiting.borrow().tasks.len()
    }

    /// How long the requests of waiting handlers are together, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.waiting.borrow().size
    }

    /// Adds a task; it can go on at once.
    pub(crate) fn spawn(&self, task: Task) {
        let mut waiting = self.waiting.borrow_mut();
        let number = waiting.spawned;
        waiting.spawned += 1;
        let waker = Arc::new(TaskWaker {
            task: number,
            queued: AtomicBool::new(false),
            ready: self.ready.clone(),
        });
        waiting.insert(number, task, waker.clone());
        waker.wake();
    }

    /// Sets whom to wake when a task is woken while the driver is asleep.
    pub(crate) fn set_waker(&self, waker: Waker) {
        self.ready.lock().waker = Some(waker);
    }

    /// Begins a round, in which each task that woke itself may go on once;
    /// false if none can go on. The driver is awake.
    pub(crate) fn begin_round(&self) -> bool {
        if self.len() == 0 {
            return false;
        }
        let mut queues = self.ready.lock();
        let Queues { now, later, .. } = &mut *queues;
        now.append(later);
        queues.asleep = false;
        !queues.now.is_empty()
    }

    /// Whether a task can go on. If none can, the driver may be about to
    /// sleep, and will be woken when that changes.
    pub(crate) fn can_go_on(&self) -> bool {
        // A task that is over may still stand in a queue.
        if self.len() == 0 {
            return false;
        }
        let mut queues = self.ready.lock();
        queues.asleep = queues.now.is_empty() && queues.later.is_empty();
        !queues.asleep
    }

    /// Takes out the next task that can go on in this round.
    pub(crate) fn next_turn(&self) -> Option<Turn> {
        let mut queues = self.ready.lock();
        loop {
            let number = queues.now.pop_front()?;
            if let Some((task, waker)) = self.waiting.borrow_mut().remove(number) {
                // With the swap, what happened before it was woken is seen.
                waker.queued.swap(false, Ordering::AcqRel);
                queues.running = Some(number);
                return Some(Turn { task, waker });
            }
        }
    }

    /// Puts back a task that still waits.
    pub(crate) fn park(&self, turn: Turn) {
        let Turn { task, waker } = turn;
        let mut waiting = self.waiting.borrow_mut();
        waiting.insert(waker.task, task, waker);
        drop(waiting);
        self.ready.lock().running = None;
    }

    /// Takes all tasks, finished or not.
    pub(crate) fn take_all(&self) -> Vec<Task> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.size = 0;
        let tasks = std::mem::take(&mut waiting.tasks);
        tasks.into_values().map(|(task, _)| task).collect()
    }
}
