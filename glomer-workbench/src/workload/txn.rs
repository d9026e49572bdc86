//! `txn-list-append` and `txn-rw-register`: transactions over lists and registers.

use std::collections::HashMap;

use glomer_runtime::{Error, Rng};
use serde_json::json;

use super::{
    Client, History, Notation, NotedOp, Reply, Setting, Shape, Turn, Workload, notation, take,
};
use crate::checker::{self, ConsistencyModel};
use crate::edn::Edn;
use crate::verdict::Verdict;

const LIST_TXN_OK: Reply = Reply {
    kind: "txn_ok",
    fields: &[("txn", Shape::ListTxn)],
};
const REGISTER_TXN_OK: Reply = Reply {
    kind: "txn_ok",
    fields: &[("txn", Shape::RegisterTxn)],
};

/// A read or a write within a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MicroOp {
    Read { key: u64 },
    Write { key: u64, value: u64 },
}

/// Transactions as `elle.txn` makes them: reads and writes half and half, over a pool of
/// keys of which each is twice as likely as the one before. A key that was written often
/// enough gives its place to a new one. A key's values are 1, 2, 3, ….
#[derive(Clone, Debug, Default)]
pub(super) struct Generator {
    pool: Vec<u64>,
    written: HashMap<u64, u64>,
    max_length: u64,
    max_writes: u64,
}

impl Generator {
    pub(super) fn new(setting: &Setting, max_length: usize) -> Generator {
        Generator {
            pool: (0..setting.key_count.unwrap_or(10) as u64).collect(),
            written: HashMap::new(),
            max_length: max_length as u64,
            max_writes: setting.max_writes_per_key,
        }
    }

    pub(super) fn transaction(&mut self, rng: &Rng) -> Vec<MicroOp> {
        let length = 1 + rng.below(self.max_length);
        (0..length).map(|_| self.micro_op(rng)).collect()
    }

    fn micro_op(&mut self, rng: &Rng) -> MicroOp {
        loop {
            let write = rng.chance(0.5);
            let place = self.place(rng);
            let key = self.pool[place];
            if !write {
                return MicroOp::Read { key };
            }
            let written = self.written.entry(key).or_default();
            if *written < self.max_writes {
                *written += 1;
                let value = *written;
                return MicroOp::Write { key, value };
            }
            self.written.remove(&key);
            self.pool[place] = self.pool.iter().max().map_or(0, |key| key + 1);
        }
    }

    /// A place in the pool: place i with a probability proportional to 2^i.
    fn place(&self, rng: &Rng) -> usize {
        // Halving from the end: the last place has half of it all, the one before half of
        // the rest; what remains after the first place (of 2^count) is drawn anew.
        loop {
            let halves = rng.next_u64().leading_zeros() as usize;
            if halves < self.pool.len() {
                return self.pool.len() - 1 - halves;
            }
        }
    }
}

/// A transaction: a vector of `[:r key nil]` and of writes, as Jepsen writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn(pub Edn);

impl NotedOp for Txn {
    fn note(&self) -> Result<Notation, String> {
        Ok(Notation::new("txn", self.0.clone()))
    }

    fn read(notation: &Notation) -> Result<Txn, String> {
        match notation.f.as_str() {
            "txn" => Ok(Txn(notation.value.clone())),
            other => Err(notation::unknown(other, &["txn"])),
        }
    }
}

/// What the two workloads know.
#[derive(Clone, Debug, Default)]
struct Transactions {
    generator: Generator,
    models: Vec<ConsistencyModel>,
}

impl Transactions {
    fn new(setting: &Setting) -> Transactions {
        Transactions {
            generator: Generator::new(setting, setting.max_txn_length),
            models: setting.consistency_models.clone(),
        }
    }

    /// The next transaction, in which a write is called so.
    fn next(&mut self, write: &str, rng: &Rng) -> Txn {
        let transaction = self.generator.transaction(rng).into_iter();
        Txn(Edn::vector(transaction.map(|op| match op {
            MicroOp::Read { key } => Edn::vector([Edn::kw("r"), key.into(), Edn::Nil]),
            MicroOp::Write { key, value } => {
                Edn::vector([Edn::kw(write), key.into(), value.into()])
            }
        })))
    }
}

async fn perform(client: &Client, txn: &Txn, form: &Reply) -> Result<Edn, Error> {
    let body = json!({"type": "txn", "txn": txn.0.to_json()});
    let mut answer = client.ask(body, form).await?;
    Ok(completed(take(&mut answer, "txn")))
}

/// `txn-list-append`: a write appends to a list.
#[derive(Clone, Debug, Default)]
pub struct TxnListAppend(Transactions);

/// `txn-rw-register`: a write replaces a register's value.
#[derive(Clone, Debug, Default)]
pub struct TxnRwRegister(Transactions);

macro_rules! transactions {
    ($workload:ident, $name:literal, $about:literal, $write:literal, $form:ident, $check:ident) => {
        impl Workload for $workload {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const STALE_READS_MATTER: bool = true;
            type Op = Txn;
            /// The transaction with what it read.
            type Output = Edn;
            type Session = ();

            fn begin(&mut self, setting: &Setting) {
                self.0 = Transactions::new(setting);
            }

            fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Txn> {
                Some(self.0.next($write, turn.rng))
            }

            async fn perform(_: &mut (), client: &Client, txn: &Txn) -> Result<Edn, Error> {
                perform(client, txn, &$form).await
            }

            fn keeps_clients(&self) -> bool {
                true
            }

            fn check(&self, history: &History<Txn, Edn>) -> Verdict {
                checker::txn::$check(history.record(), &self.0.models)
                    .unwrap_or_else(Verdict::unknown)
            }

            fn meaning(name: &str) -> Option<&'static str> {
                checker::txn::meaning(name)
            }

            fn depends_on(setting: &Setting) -> Vec<(&'static str, String)> {
                let models = setting.consistency_models.iter();
                let models: Vec<&str> = models.map(|model| model.name()).collect();
                vec![("consistency-models", models.join(", "))]
            }
        }
    };
}

transactions!(
    TxnListAppend,
    "txn-list-append",
    "Transactions over lists that grow",
    "append",
    LIST_TXN_OK,
    check_list_append
);
transactions!(
    TxnRwRegister,
    "txn-rw-register",
    "Transactions over registers",
    "w",
    REGISTER_TXN_OK,
    check_rw_register
);

/// A transaction from JSON, with the functions as keywords. Null has none.
fn completed(transaction: Edn) -> Edn {
    let Edn::Vector(mut ops) = transaction else {
        return Edn::Vector(Vec::new());
    };
    for op in &mut ops {
        if let Edn::Vector(parts) = op
            && let Some(f) = parts.first_mut()
            && let Edn::String(name) = f
        {
            *f = Edn::kw(name.as_str());
        }
    }
    Edn::Vector(ops)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(max_length: usize) -> Generator {
        Generator {
            pool: (0..10).collect(),
            written: HashMap::new(),
            max_length: max_length as u64,
            max_writes: 16,
        }
    }

    #[test]
    fn values_are_unique_and_ascend_and_keys_are_replaced() {
        let rng = Rng::seeded(1);
        let mut generator = generator(4);
        let mut last: HashMap<u64, u64> = HashMap::new();
        let (mut reads, mut writes) = (0, 0);
        for _ in 0..5_000 {
            let transaction = generator.transaction(&rng);
            assert!((1..=4).contains(&transaction.len()));
            for op in transaction {
                match op {
                    MicroOp::Read { .. } => reads += 1,
                    MicroOp::Write { key, value } => {
                        writes += 1;
                        let previous = last.insert(key, value).unwrap_or(0);
                        assert_eq!(value, previous + 1);
                        assert!(value <= 16);
                    }
                }
            }
        }
        assert!(last.len() > 100);
        assert!((reads as f64 / writes as f64 - 1.0).abs() < 0.1);
    }

    #[test]
    fn later_places_are_twice_as_likely() {
        let rng = Rng::seeded(2);
        let generator = generator(1);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[generator.place(&rng)] += 1;
        }
        for (one, next) in counts[4..].iter().zip(&counts[5..]) {
            let factor = f64::from(*next) / f64::from(*one);
            assert!((1.8..2.2).contains(&factor), "{counts:?}");
        }
        assert!(counts[0] > 50, "{counts:?}");
    }
}
