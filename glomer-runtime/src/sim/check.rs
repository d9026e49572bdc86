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
/// # #[glomer_runtime::handler("echo", reply = "echo")]
/// # fn echo(_: &State, echo: u64) -> u64 { echo }
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
    if let Some(seed) = chosen_seed() {
        return test(seed);
    }
    let Some((seed, report)) = find_seed(seeds, |seed| panic::catch(|| test(seed)).err()) else {
        return;
    };
    eprintln!(
        "seed {seed} fails, and none before it; to run it alone:\n    {}",
        command_for(seed)
    );
    // Once more, where its panic and its trace go to whoever runs the tests.
    test(seed);
    panic!(
        "seed {seed} failed the first time ({report}) and passed the second, so the test is not \
         deterministic; look for clocks, threads, and iteration over a HashMap or HashSet"
    );
}

/// The seed that the environment asks for.
#[track_caller]
fn chosen_seed() -> Option<u64> {
    match env::var(SEED_VARIABLE) {
        Ok(text) => {
            let seed = text.trim().parse();
            Some(seed.unwrap_or_else(|_| {
                panic!("{SEED_VARIABLE}={text}: not a seed; give a number such as 42")
            }))
        }
        Err(env::VarError::NotPresent) => None,
        Err(error) => panic!("{SEED_VARIABLE}: {error}"),
    }
}

/// The command that runs one seed of the test that calls this, if the test is named after its
/// thread, as under `cargo test`.
pub fn command_for(seed: u64) -> String {
    let thread = thread::current();
    let name = thread.name().filter(|name| *name != "main").unwrap_or("");
    format!("{SEED_VARIABLE}={seed} cargo test {name}")
}

/// Looks for something with each of the seeds, on all cores, and gives what is found with the
/// smallest one; [`check`] looks for panics.
///
/// With the environment variable `GLOMER_SEED` set to a number, it looks with that seed only.
/// The seeds are tried in the order in which they are given; those after one that finds
/// something may be left out, so give them in rising order.
///
/// ```
/// use glomer_runtime::Rng;
/// use glomer_runtime::sim::find_seed;
///
/// let six = find_seed(0.., |seed| (Rng::seeded(seed).below(6) == 5).then_some("a six"));
/// assert!(matches!(six, Some((_, "a six"))));
/// ```
///
/// # Panics
/// When `GLOMER_SEED` is not a number, and when `look` panics.
#[track_caller]
pub fn find_seed<I, T: Send>(seeds: I, look: impl Fn(u64) -> Option<T> + Sync) -> Option<(u64, T)>
where
    I: IntoIterator<Item = u64, IntoIter: Send>,
{
    if let Some(seed) = chosen_seed() {
        return look(seed).map(|found| (seed, found));
    }
    let seeds = Mutex::new(seeds.into_iter());
    let smallest = AtomicU64::new(u64::MAX);
    let finds = Mutex::new(Vec::new());
    let search = || {
        SEARCHING.set(true);
        loop {
            // Nothing panics while a lock is held.
            let next = seeds.lock().ok().and_then(|mut seeds| seeds.next());
            let Some(seed) = next.filter(|seed| *seed <= smallest.load(Ordering::Relaxed)) else {
                break;
            };
            if let Some(found) = look(seed) {
                smallest.fetch_min(seed, Ordering::Relaxed);
                if let Ok(mut finds) = finds.lock() {
                    finds.push((seed, found));
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
    let finds = finds.into_inner().unwrap_or_default();
    finds.into_iter().min_by_key(|(seed, _)| *seed)
}
