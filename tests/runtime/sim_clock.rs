//! Nodes whose clocks do not go as time goes.

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Clock, Cluster, check, ms, secs};
use std::time::Duration;

/// A node that counts seconds.
#[derive(Default)]
struct Watch {
    ticks: u64,
}

#[every("1s")]
fn tick(state: &mut Watch) {
    state.ticks += 1;
}

#[handler("ticks", reply = "ticks")]
fn ticks(state: &Watch) -> u64 {
    state.ticks
}

#[handler("time", reply = "ms")]
fn time(_: &Watch, cx: &Context) -> u64 {
    cx.now().as_millis() as u64
}

#[handler("nap")]
async fn nap(_: &Shared<Watch>, cx: &Context, ms: u64) {
    cx.sleep(Duration::from_millis(ms)).await;
}

fn cluster(seed: u64) -> Cluster<Watch> {
    Cluster::new(3).seed(seed).timeout(secs(60)).start()
}

fn times(cluster: &mut Cluster<Watch>) -> [u64; 3] {
    ["n0", "n1", "n2"].map(|node| cluster.call(node, Time {}).unwrap())
}

#[test]
fn a_clock_runs_fast_or_slow_and_then_in_step_from_where_it_is() {
    let mut cluster = cluster(1);
    cluster.run_for(secs(10));
    cluster.skew("n1", 2.0);
    cluster.skew("n2", 0.5);
    cluster.run_for(secs(10));
    assert_eq!(times(&mut cluster), [20_000, 30_000, 15_000]);
    cluster.skew("n1", 1.0);
    cluster.skew("n2", 1.0);
    cluster.run_for(secs(10));
    assert_eq!(times(&mut cluster), [30_000, 40_000, 25_000]);
}

#[test]
fn a_clock_leaps_ahead_and_keeps_its_lead_through_a_crash() {
    let mut cluster = cluster(1);
    cluster.leap("n1", secs(60));
    cluster.run_for(secs(1));
    assert_eq!(times(&mut cluster), [1_000, 61_000, 1_000]);
    cluster.restart("n1");
    cluster.run_for(secs(1));
    assert_eq!(times(&mut cluster), [2_000, 62_000, 2_000]);
}

#[test]
fn sleep_and_periodic_functions_follow_the_clock() {
    let mut cluster = cluster(1);
    cluster.skew("n1", 4.0);
    cluster.skew("n2", 0.25);
    cluster.run_for(secs(8));
    let ticks = ["n0", "n1", "n2"].map(|node| cluster.call(node, Ticks {}).unwrap());
    assert_eq!(ticks, [8, 32, 2]);

    let took = |cluster: &mut Cluster<Watch>, node: &str| {
        let start = cluster.now();
        cluster.call(node, Nap { ms: 1_000 }).unwrap();
        cluster.now() - start
    };
    assert_eq!(took(&mut cluster, "n0"), secs(1));
    assert_eq!(took(&mut cluster, "n1"), ms(250));
    assert_eq!(took(&mut cluster, "n2"), secs(4));
}

/// What a node waits for comes when its clock says so, however that changed meanwhile.
#[test]
fn who_sleeps_while_the_clock_changes_wakes_by_the_clock() {
    for (rate, leap, expected) in [
        (1.0, secs(3), secs(3)),
        (1.0, secs(60), secs(2)),
        (4.0, ms(0), secs(3)),
        (0.5, ms(0), secs(10)),
    ] {
        let mut cluster = cluster(1);
        cluster.run_for(ms(500));
        let start = cluster.now();
        let nap = cluster.invoke("n1", Nap { ms: 6_000 });
        cluster.run_for(secs(2));
        cluster.skew("n1", rate);
        cluster.leap("n1", leap);
        cluster.wait(nap).unwrap();
        assert_eq!(cluster.now() - start, expected, "{rate} {leap:?}");
    }
}

#[test]
fn a_clock_shows_what_it_should_when_it_should_and_never_goes_back() {
    check(0..200, |seed| {
        let rng = glomer_runtime::Rng::seeded(seed);
        let (mut clock, mut now, mut shown) = (Clock::default(), ms(0), ms(0));
        for _ in 0..50 {
            now += Duration::from_nanos(rng.below(5_000_000_000));
            assert!(clock.at(now) >= shown);
            if rng.below(2) == 0 {
                clock.leap(now, Duration::from_nanos(rng.below(1_000_000_000)));
            } else {
                clock.set_rate(now, 0.1 + 3.0 * rng.unit());
            }
            shown = clock.at(now);
            let wanted = shown + Duration::from_nanos(1 + rng.below(1_000_000));
            let when = clock.when(wanted);
            assert!(clock.at(when) >= wanted);
            assert!(clock.at(when - Duration::from_nanos(1)) < wanted);
        }
    });
}

#[test]
#[should_panic(expected = "a clock at the rate 0 is none")]
fn a_clock_does_not_stand_still() {
    cluster(1).skew("n1", 0.0);
}
