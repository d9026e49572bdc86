//! Which fault comes when.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;

use super::{Effect, Fault, Strike, groups};
use crate::run::pace::Pace;
use crate::run::plan::Plan;
use crate::run::schedule::Struck;

/// An operation of the nemesis.
#[derive(Clone, Debug)]
pub struct Step {
    /// The fault.
    pub fault: Arc<dyn Fault>,
    /// Whether it begins, as opposed to ends.
    pub begins: bool,
    /// What is done.
    pub strike: Strike,
}

impl Step {
    /// The function in the history.
    pub fn f(&self) -> String {
        let (begin, end) = self.fault.functions();
        let f = if self.begins { begin } else { end };
        f.into_owned()
    }
}

/// Faults that take turns on one schedule, and whether they are on.
struct Package {
    faults: Vec<(Arc<dyn Fault>, bool)>,
    pace: Pace,
    rng: Rng,
}

/// The schedule of all faults of a run. It follows from the seed alone. As in
/// `jepsen.nemesis.combined`, each fault is switched on, then off, then on again, at staggered
/// intervals around `--nemesis-interval`; faults have schedules of their own and overlap,
/// except that `kill` and `pause` share one.
///
/// A plan with a schedule of its own has that one instead.
pub struct Nemesis {
    packages: Vec<Package>,
    /// What the plan's own schedule has left.
    scheduled: Option<VecDeque<Struck>>,
}

impl fmt::Debug for Nemesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nemesis")
            .field("next", &self.next())
            .finish_non_exhaustive()
    }
}

impl Nemesis {
    /// The schedule of the plan's faults, whose first operations are due at time 0.
    ///
    /// # Panics
    /// When there are no nodes, and when the plan's own schedule is not for it.
    pub fn new(plan: &Plan, rng: Rng) -> Nemesis {
        let any_nodes = !plan.setting.nodes.is_empty();
        assert!(any_nodes, "a nemesis needs nodes to strike");
        let package = |faults: Vec<Arc<dyn Fault>>| {
            // Every package draws its seeds, so that one fault's schedule is the same
            // whichever others there are.
            let (pace, rng) = (rng.fork(), rng.fork());
            Package {
                faults: faults.into_iter().map(|fault| (fault, false)).collect(),
                pace: Pace::new(plan.nemesis_interval, Duration::ZERO, pace),
                rng,
            }
        };
        let groups = groups();
        let mut packages = Vec::new();
        for group in &groups {
            let chosen = group.iter();
            let chosen = chosen.filter_map(|fault| plan.faults.named(fault.name()));
            packages.push(package(chosen.cloned().collect()));
        }
        let is_known = |fault: &Arc<dyn Fault>| {
            let mut groups = groups.iter();
            groups.any(|group| group.named(fault.name()).is_some())
        };
        for fault in plan.faults.iter().filter(|fault| !is_known(fault)) {
            packages.push(package(vec![fault.clone()]));
        }
        packages.retain(|package| !package.faults.is_empty());
        let scheduled = plan.schedule.as_ref().map(|schedule| {
            let strikes = schedule.strikes(plan);
            strikes.expect("the schedule made the plan").into()
        });
        Nemesis {
            packages,
            scheduled,
        }
    }

    /// When the next operation is due, in time since the first one; `None` without faults.
    pub fn next(&self) -> Option<Duration> {
        if let Some(scheduled) = &self.scheduled {
            return scheduled.front().map(|(at, ..)| *at);
        }
        self.packages
            .iter()
            .map(|package| package.pace.next())
            .min()
    }

    /// The next operation, which takes place at this time.
    ///
    /// # Panics
    /// Without faults.
    pub fn strike(&mut self, plan: &Plan, at: Duration) -> Step {
        if let Some(scheduled) = &mut self.scheduled {
            let next = scheduled.pop_front();
            let (_, fault, strike) = next.expect("a nemesis whose schedule is over never strikes");
            return Step {
                begins: strike.is_some(),
                strike: strike.unwrap_or_else(|| fault.end(plan)),
                fault,
            };
        }
        let package = self
            .packages
            .iter_mut()
            .min_by_key(|package| package.pace.next())
            .expect("a nemesis without faults never strikes");
        package.pace.took_place(at);
        let rng = &package.rng;
        let which = rng.below(package.faults.len() as u64) as usize;
        let (fault, on) = &mut package.faults[which];
        *on = !*on;
        Step {
            begins: *on,
            strike: if *on {
                fault.begin(plan, rng)
            } else {
                fault.end(plan)
            },
            fault: fault.clone(),
        }
    }

    /// What ends all faults, at the end of a run.
    pub fn heal(&self, plan: &Plan) -> Vec<Step> {
        let faults = self.packages.iter().flat_map(|package| &package.faults);
        let ends = faults.map(|(fault, _)| Step {
            fault: fault.clone(),
            begins: false,
            strike: fault.end(plan),
        });
        let mut ends: Vec<Step> = ends.collect();
        // A node that is to start must not find others stopped.
        let starts = |effect: &Effect| matches!(effect, Effect::Start(_));
        ends.sort_by_key(|step| step.strike.effects.iter().any(starts));
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::Edn;
    use crate::run::nemesis::{Faults, Kill, Loss, OneWayPartition, Partition, Pause, Skew, Slow};
    use crate::workload::Echo;
    use std::collections::BTreeSet;

    type Struck = (Duration, String, Strike);

    fn plan(faults: impl Into<Faults>, nodes: usize) -> Plan {
        Plan {
            faults: faults.into(),
            ..Plan::new(Echo, nodes)
        }
    }

    fn schedule(faults: impl Into<Faults>, seed: u64, count: usize) -> Vec<Struck> {
        let plan = plan(faults, 5);
        let mut nemesis = Nemesis::new(&plan, Rng::seeded(seed));
        std::iter::from_fn(|| {
            let at = nemesis.next()?;
            let step = nemesis.strike(&plan, at);
            Some((at, step.f(), step.strike))
        })
        .take(count)
        .collect()
    }

    #[test]
    fn a_fault_begins_at_once_and_then_ends_and_begins_by_turns() {
        let strikes = schedule(Partition, 1, 200);
        assert_eq!(strikes[0].0, Duration::ZERO);
        for (n, (_, f, _)) in strikes.iter().enumerate() {
            let expected = ["start-partition", "stop-partition"][n % 2];
            assert_eq!(f, expected);
        }
        let mean = strikes.last().unwrap().0 / 199;
        assert!(
            (Duration::from_secs(9)..Duration::from_secs(11)).contains(&mean),
            "{mean:?}"
        );
        let kinds: BTreeSet<String> = strikes.iter().map(|(.., s)| s.value.to_string()).collect();
        let expected = [
            "nil",
            ":one",
            ":majority",
            ":minority-third",
            ":majorities-ring",
        ];
        assert_eq!(kinds, expected.map(str::to_owned).into());
    }

    #[test]
    fn the_seed_decides_and_other_faults_do_not_disturb() {
        let alone = schedule(Loss, 7, 10);
        assert_eq!(alone, schedule(Loss, 7, 10));
        assert_ne!(alone, schedule(Loss, 8, 10));
        let mixed = schedule((Skew, OneWayPartition, Partition, Kill, Loss), 7, 80);
        let losses: Vec<_> = mixed
            .into_iter()
            .filter(|(_, f, _)| f.ends_with("loss"))
            .collect();
        assert!(losses.len() >= 5);
        assert!(losses.iter().zip(&alone).all(|(a, b)| a == b));
    }

    /// A seed that someone noted down finds the same faults in later versions.
    #[test]
    fn seeds_draw_what_they_always_drew() {
        let told = |(at, f, strike): &Struck| {
            let targets: Vec<String> = strike
                .effects
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Partition(grudge) => Some(format!("{grudge:?}")),
                    Effect::Kill(node) => Some(node.to_string()),
                    _ => None,
                })
                .collect();
            let (at, targets) = (at.as_millis(), targets.join(" "));
            format!("{at} {f} {} {targets}", strike.value)
        };
        let strikes = schedule((Partition, Kill, Pause, Slow), 42, 9);
        let strikes: Vec<String> = strikes.iter().map(told).collect();
        let expected = [
            "0 start-partition :majorities-ring {0: {1, 2}, 1: {0, 3}, 2: {0, 4}, 3: {1, 4}, 4: {2, 3}}",
            "0 kill nil 0 1 2 3 4",
            "0 start-slow nil ",
            "6229 stop-partition nil ",
            "7187 stop-slow nil ",
            "14840 start-slow nil ",
            "14883 start :all ",
            "22163 start-partition :majorities-ring {0: {3, 4}, 1: {2, 3}, 2: {1, 4}, 3: {0, 1}, 4: {0, 2}}",
            "25706 stop-slow nil ",
        ];
        assert_eq!(strikes, expected);
    }

    #[test]
    fn kills_hit_every_kind_of_target_and_restart_all() {
        let mut sizes = BTreeSet::new();
        for (_, f, strike) in schedule(Kill, 3, 400) {
            if f == "start" {
                assert_eq!(
                    strike.effects,
                    (0..5).map(Effect::Start).collect::<Vec<_>>()
                );
            } else {
                sizes.insert(strike.effects.len());
            }
        }
        assert_eq!(sizes, (1..=5).collect());
    }

    #[test]
    fn one_way_partitions_leave_the_other_direction() {
        let mut ways = BTreeSet::new();
        for (_, f, strike) in schedule(OneWayPartition, 5, 100) {
            if f != "start-one-way-partition" {
                assert_eq!(strike.effects, [Effect::Heal]);
                continue;
            }
            let [Effect::Partition(grudge)] = &strike.effects[..] else {
                panic!("{strike:?}");
            };
            ways.insert(strike.value.as_seq().unwrap()[0].to_string());
            for (node, others) in grudge {
                assert!(!others.contains(node));
                for other in others {
                    let back = grudge.get(other);
                    assert!(back.is_none_or(|drops| !drops.contains(node)), "{grudge:?}");
                }
            }
        }
        assert_eq!(ways, [":deaf".to_owned(), ":mute".to_owned()].into());
    }

    #[test]
    fn skewed_clocks_never_stop_or_go_back() {
        let (mut fast, mut slow, mut leaps) = (0, 0, 0);
        for (_, f, strike) in schedule(Skew, 9, 300) {
            for effect in &strike.effects {
                match effect {
                    Effect::Rate(_, rate) if f == "stop-skew" => assert_eq!(*rate, 1.0),
                    Effect::Rate(_, rate) if *rate > 1.0 => fast += 1,
                    Effect::Rate(_, rate) if *rate > 0.0 => slow += 1,
                    Effect::Leap(_, ahead) if *ahead >= Duration::from_millis(100) => leaps += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(fast > 0 && slow > 0 && leaps > 0, "{fast} {slow} {leaps}");
    }

    #[test]
    fn healing_ends_every_fault_and_starts_nodes_last() {
        let plan = plan((Slow, Kill, Pause, Partition), 3);
        let nemesis = Nemesis::new(&plan, Rng::seeded(1));
        let ends: Vec<String> = nemesis.heal(&plan).iter().map(Step::f).collect();
        assert_eq!(ends, ["stop-partition", "resume", "stop-slow", "start"]);
        let none = Nemesis::new(&self::plan(Faults::none(), 3), Rng::seeded(1));
        assert_eq!((none.next(), none.heal(&plan).len()), (None, 0));
    }

    #[test]
    fn a_fault_of_ones_own_has_a_schedule_beside_the_others() {
        #[derive(Debug)]
        struct Fire;
        impl Fault for Fire {
            fn name(&self) -> &str {
                "fire"
            }
            fn about(&self) -> &str {
                "the first node burns"
            }
            fn begin(&self, _: &Plan, _: &Rng) -> Strike {
                Strike {
                    value: Edn::Nil,
                    effects: vec![Effect::Kill(0)],
                    done: None,
                }
            }
            fn end(&self, _: &Plan) -> Strike {
                Strike {
                    value: Edn::Nil,
                    effects: vec![Effect::Start(0)],
                    done: None,
                }
            }
        }
        let both = schedule((Fire, Partition), 7, 40);
        let of = |strikes: &[Struck], name: &str| -> Vec<Struck> {
            let named = strikes.iter().filter(|(_, f, _)| f.ends_with(name));
            named.take(5).cloned().collect()
        };
        assert_eq!(of(&both, "fire"), of(&schedule(Fire, 7, 10), "fire"));
        assert_eq!(
            of(&both, "partition"),
            of(&schedule(Partition, 7, 10), "partition")
        );
        assert!(both.iter().filter(|(_, f, _)| f == "start-fire").count() > 3);
    }
}
