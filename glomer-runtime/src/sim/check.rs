//! One test over many seeds.

use crate::node::panic;
use std::cell::Cell;
use std::env;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The environment variable that makes [`check`] run one seed only.
const SEED_VARIABLE: &str = "GLOMER_SEED";

thread_local! {
    /// Whether a failing cluster on this thread keeps its trace to itself.
    static SEARCHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread looks for a failing seed, whose details nobody wants to see before it
/// is the smallest.
pub(super) fn searching() -> bool {
    SEARCHING.get()
}

/// Runs a test once for each seed, on all cores, and fails as the smallest failing seed
/// does, which it names together with the command that runs this seed alone.
///
/// With the environment variable `GLOMER_SEED` set to a number, it runs that seed only.
///
/// The seeds are tried in the order in which they are given; those after a failing one may
/// be left out, so give them in rising order.
///
/// ```
/// use glomer_runtime::sim::{Cluster, check};
///
/// # #[derive(Default)]
/// # struct State;
/// check(0..100, |seed| {
///     let cluster = Cluster::<State>::new(3).seed(seed).start();
///     assert_eq!(cluster.log().count(), 0);
/// });
/// ```
///
/// # Panics
/// When the test panics for a seed, with that panic; and when `GLOMER_SEED` is not a number.
#[track_caller]
pub fn check<I>(seeds: I, test: impl Fn(u64) + Sync)
where
    I: IntoIterator<Item = u64, IntoIter: Send>,
{
    match env::var(SEED_VARIABLE) {
        Ok(text) => {
            let seed = text.trim().parse();
            let seed = seed.unwrap_or_else(|_| {
                panic!("{SEED_VARIABLE}={text}: not a seed; give a number such as 42")
            });
            return test(seed);
        }
        Err(env::VarError::NotPresent) => {}
        Err(error) => panic!("{SEED_VARIABLE}: {error}"),
    }
    let Some((seed, report)) = smallest_failing(seeds.into_iter(), &test) else {
        return;
    };
    let thread = thread::current();
    let name = thread.name().filter(|name| *name != "main").unwrap_or("");
    eprintln!(
        "seed {seed} fails, and none before it; to run it alone:\n    \
         {SEED_VARIABLE}={seed} cargo test {name}"
    );
    // Once more, where its panic and its trace go to whoever runs the tests.
    test(seed);
    panic!(
        "seed {seed} failed the first time ({report}) and passed the second, so the test is not \
         deterministic; look for clocks, threads, and iteration over a HashMap or HashSet"
    );
}

/// The smallest seed for which the test panics, and with what.
fn smallest_failing(
    seeds: impl Iterator<Item = u64> + Send,
    test: &(impl Fn(u64) + Sync),
) -> Option<(u64, String)> {
    let seeds = Mutex::new(seeds);
    let smallest = AtomicU64::new(u64::MAX);
    let failures = Mutex::new(Vec::new());
    let search = || {
        SEARCHING.set(true);
        loop {
            // Nothing panics while a lock is held.
            let next = seeds.lock().ok().and_then(|mut seeds| seeds.next());
            let Some(seed) = next.filter(|seed| *seed <= smallest.load(Ordering::Relaxed)) else {
                break;
            };
            if let Err(report) = panic::catch(|| test(seed)) {
                smallest.fetch_min(seed, Ordering::Relaxed);
                if let Ok(mut failures) = failures.lock() {
                    failures.push((seed, report));
                }
            }
        }
        SEARCHING.set(false);
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(search);
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    failures.into_iter().min_by_key(|(seed, _)| *seed)
}
