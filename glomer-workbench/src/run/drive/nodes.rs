//! Whose nodes a command runs, and whether they can be run as planned.

use std::io;
use std::sync::atomic::AtomicBool;

use crate::run::Run;
use crate::run::nemesis::Needs;
use crate::run::plan::Plan;
use crate::run::process::Launch;
use crate::run::progress::Progress;

/// Nodes that run in real time, and that another crate drives.
pub trait Elsewhere: Sync {
    /// Runs a plan with them, until it is over or interrupted.
    ///
    /// # Errors
    /// If they do not fit the plan, or cannot be reached.
    fn run(&self, plan: Plan, interrupt: &AtomicBool, progress: &mut Progress) -> io::Result<Run>;
}

/// The nodes of a command.
#[derive(Clone, Copy)]
pub(crate) enum Nodes<'a> {
    /// Processes that the workbench starts so.
    Processes(&'a Launch),
    /// Those of another crate.
    Elsewhere(&'a dyn Elsewhere),
}

/// Whether nodes that are processes, and are no more than this, can be run as planned.
///
/// # Errors
/// If a fault needs more.
pub fn fits(plan: &Plan, are: Needs) -> io::Result<()> {
    let faults = plan.faults.iter();
    let faults = faults.map(|fault| {
        let text = format!("--nemesis {}: {}", fault.name(), fault.about());
        (fault.needs(), text)
    });
    let schedule = plan.schedule.as_ref();
    let strikes = schedule.map(|schedule| schedule.strikes(plan)).transpose();
    let strikes = strikes.map_err(io::Error::other)?.unwrap_or_default();
    let scheduled = strikes.iter().flat_map(|(_, fault, strike)| {
        let effects = strike.iter().flat_map(|strike| &strike.effects);
        effects.map(|effect| {
            let text = format!("the schedule has {} do {effect:?}", fault.name());
            (effect.needs(), text)
        })
    });
    let unfit = faults.chain(scheduled).find(|(needs, _)| *needs > are);
    unfit.map_or(Ok(()), |(needs, what)| {
        let why = match needs {
            Needs::NodesInProcess => {
                "these nodes are processes, whose disks are folders; disks with faults are for \
                 nodes in the process of a `Test`"
            }
            Needs::VirtualTime | Needs::Nothing => {
                "these nodes are processes in real time, whose clock is the machine's and cannot \
                 be turned for one of them"
            }
        };
        Err(io::Error::other(format!("{what}; {why}")))
    })
}
