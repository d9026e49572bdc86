//! Histories that Maelstrom 0.2.4 recorded, and what it said about them.

use glomer_workbench::checker::{CheckOptions, Workload, results};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::History;

/// Everything that a history determines is the same: figures, orders, witnesses.
macro_rules! same {
    ($($name:ident $workload:ident;)*) => { $(
        #[test]
        fn $name() {
            let history = include_str!(concat!("histories/", stringify!($name), "/history.edn"));
            let recorded = include_str!(concat!("histories/", stringify!($name), "/results.edn"));
            let history = History::from_edn(history).unwrap();
            let recorded = Edn::parse(recorded).unwrap();
            let ours = results(Workload::$workload, &history, None, &CheckOptions::default());
            for key in ["exceptions", "stats", "availability", "workload", "valid?"] {
                let pretty = |map: &Edn| map.get(key).unwrap().pretty(Edn::RESULTS_WIDTH);
                assert_eq!(pretty(&ours), pretty(&recorded), "{key}");
            }
        }
    )* };
}

same! {
    bcast_lossy Broadcast;
    bcast_repair_part Broadcast;
    broadcast_3b Broadcast;
    gset_ok GSet;
    gcounter_ok GCounter;
    pn_lossy PnCounter;
    ids_dup UniqueIds;
    lin_ok LinKv;
    lin_stale LinKv;
}
