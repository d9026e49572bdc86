//! `txn-list-append` and `txn-rw-register`: transactions over lists and registers.

use std::collections::HashMap;

use glomer_runtime::{Error, Rng};
use serde_json::json;

use super::{
    Client, History, Notation, NotedOp, NotedOutput, Reply, Setting, Shape, Turn, Workload,
    notation, take,
};
use crate::checker::{self, ConsistencyModel, ListOp, RegisterOp, list_append, rw_register};
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
pub enum MicroOp {
    /// Of this key.
    Read { key: u64 },
    /// Of this value to this key.
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

/// A transaction, which Jepsen writes as a vector of `[:r key nil]`, `[:append key element]` and
/// `[:w key value]`. What reads return takes the place of `nil`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn<Mop>(pub Vec<Mop>);

impl<Mop> AsRef<[Mop]> for Txn<Mop> {
    fn as_ref(&self) -> &[Mop] {
        &self.0
    }
}

/// A read or a write within a transaction, as clients send it and the record has it.
pub trait NotedMop: Sized {
    /// This one.
    fn make(op: MicroOp) -> Self;

    /// How the record notes it.
    fn note(&self) -> Edn;

    /// What the record notes.
    ///
    /// # Errors
    /// If it is no such thing, why.
    fn read(mop: &Edn) -> Result<Self, String>;
}

fn note(f: &str, key: &Edn, value: impl Into<Edn>) -> Edn {
    Edn::vector([Edn::kw(f), key.clone(), value.into()])
}

/// The function, key and value of a micro-operation.
fn parts(mop: &Edn) -> Result<(Option<&str>, &Edn, &Edn), String> {
    match mop.as_seq() {
        Some([f, key, value]) => Ok((f.name(), key, value)),
        _ => Err(format!("{mop} is not [function key value]")),
    }
}

fn unknown(mop: &Edn) -> String {
    format!("{mop} is no micro-operation of this workload")
}

impl NotedMop for ListOp<Edn, Edn> {
    fn make(op: MicroOp) -> Self {
        match op {
            MicroOp::Read { key } => ListOp::Read(key.into(), None),
            MicroOp::Write { key, value } => ListOp::Append(key.into(), value.into()),
        }
    }

    fn note(&self) -> Edn {
        match self {
            ListOp::Append(key, element) => note("append", key, element.clone()),
            ListOp::Read(key, list) => note("r", key, list.clone()),
        }
    }

    fn read(mop: &Edn) -> Result<Self, String> {
        let (f, key, value) = parts(mop)?;
        let key = key.clone();
        match (f, value, value.as_seq()) {
            (Some("append"), element, _) => Ok(ListOp::Append(key, element.clone())),
            (Some("r"), Edn::Nil, _) => Ok(ListOp::Read(key, None)),
            (Some("r"), _, Some(list)) => Ok(ListOp::Read(key, Some(list.to_vec()))),
            (Some("r"), _, None) => Err(format!("{mop} does not read a list")),
            _ => Err(unknown(mop)),
        }
    }
}

impl NotedMop for RegisterOp<Edn, Edn> {
    fn make(op: MicroOp) -> Self {
        match op {
            MicroOp::Read { key } => RegisterOp::Read(key.into(), None),
            MicroOp::Write { key, value } => RegisterOp::Write(key.into(), value.into()),
        }
    }

    fn note(&self) -> Edn {
        match self {
            RegisterOp::Write(key, value) => note("w", key, value.clone()),
            RegisterOp::Read(key, value) => note("r", key, value.clone()),
        }
    }

    fn read(mop: &Edn) -> Result<Self, String> {
        let (f, key, value) = parts(mop)?;
        let key = key.clone();
        match (f, value) {
            (Some("w"), value) => Ok(RegisterOp::Write(key, value.clone())),
            (Some("r"), Edn::Nil) => Ok(RegisterOp::Read(key, None)),
            (Some("r"), value) => Ok(RegisterOp::Read(key, Some(value.clone()))),
            _ => Err(unknown(mop)),
        }
    }
}

impl<Mop: NotedMop> Txn<Mop> {
    fn to_edn(&self) -> Edn {
        Edn::vector(self.0.iter().map(Mop::note))
    }

    fn of(value: &Edn) -> Result<Self, String> {
        let mops = value.as_seq();
        let mops = mops.ok_or("not a list of micro-operations")?.iter();
        mops.map(Mop::read).collect::<Result<_, _>>().map(Txn)
    }
}

impl<Mop: NotedMop> NotedOp for Txn<Mop> {
    fn note(&self) -> Result<Notation, String> {
        Ok(Notation::new("txn", self.to_edn()))
    }

    fn read(notation: &Notation) -> Result<Self, String> {
        match notation.f.as_str() {
            "txn" => Txn::of(&notation.value),
            other => Err(notation::unknown(other, &["txn"])),
        }
    }
}

impl<Mop: NotedMop> NotedOutput for Txn<Mop> {
    fn note(&self) -> Result<Edn, String> {
        Ok(self.to_edn())
    }

    fn read(value: &Edn) -> Result<Self, String> {
        Txn::of(value)
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

    fn next<Mop: NotedMop>(&mut self, rng: &Rng) -> Txn<Mop> {
        let transaction = self.generator.transaction(rng).into_iter();
        Txn(transaction.map(Mop::make).collect())
    }
}

async fn perform<Mop: NotedMop>(
    client: &Client,
    txn: &Txn<Mop>,
    form: &Reply,
) -> Result<Txn<Mop>, Error> {
    let body = json!({"type": "txn", "txn": txn.to_edn().to_json()});
    let mut answer = client.ask(body, form).await?;
    match take(&mut answer, "txn") {
        Edn::Nil => Ok(Txn(Vec::new())),
        // The form of the answer allows nothing else.
        txn => Txn::of(&txn).map_err(Error::crash),
    }
}

/// `txn-list-append`: a write appends to a list.
#[derive(Clone, Debug, Default)]
pub struct TxnListAppend(Transactions);

/// `txn-rw-register`: a write replaces a register's value.
#[derive(Clone, Debug, Default)]
pub struct TxnRwRegister(Transactions);

macro_rules! transactions {
    ($workload:ident, $name:literal, $about:literal, $mop:ident, $form:ident, $check:ident) => {
        impl Workload for $workload {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const STALE_READS_MATTER: bool = true;
            type Op = Txn<$mop<Edn, Edn>>;
            /// The transaction with what it read.
            type Output = Self::Op;
            type Session = ();

            fn begin(&mut self, setting: &Setting) {
                self.0 = Transactions::new(setting);
            }

            fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Self::Op> {
                Some(self.0.next(turn.rng))
            }

            async fn perform(
                _: &mut (),
                client: &Client,
                txn: &Self::Op,
            ) -> Result<Self::Op, Error> {
                perform(client, txn, &$form).await
            }

            fn keeps_clients(&self) -> bool {
                true
            }

            fn check(&self, history: &History<Self::Op, Self::Op>) -> Verdict {
                $check(history, &self.0.models)
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
    ListOp,
    LIST_TXN_OK,
    list_append
);
transactions!(
    TxnRwRegister,
    "txn-rw-register",
    "Transactions over registers",
    RegisterOp,
    REGISTER_TXN_OK,
    rw_register
);

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
