//! Clients of the key-value stores and the timestamp oracle that Maelstrom
//! runs beside the nodes.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::context::{Context, Rpc};
use crate::body::{Error, Message};

/// A client of one of the key-value stores; see [`Context::seq_kv`] and its
/// siblings, and Maelstrom's `doc/services.md` for what each promises.
///
/// Keys and values are anything that serde can write as JSON. Every method
/// fails with error 0 when the store does not answer in time, and with what
/// it answered otherwise.
///
/// ```
/// use glomer_runtime::prelude::*;
///
/// #[handler("add")]
/// async fn add(_: &Shared<()>, cx: &Context, delta: u64) -> Result<(), Error> {
///     let kv = cx.seq_kv();
///     loop {
///         let sum: u64 = kv.read_or("sum", 0).await?;
///         match kv.cas_or_create("sum", sum, sum + delta).await {
///             Err(error) if error.code() == 22 => continue,
///             result => return result,
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Kv {
    context: Context,
    service: &'static str,
    timeout: Duration,
}

impl Context {
    /// The sequentially consistent key-value store of Maelstrom.
    pub fn seq_kv(&self) -> Kv {
        Kv::new(self, "seq-kv")
    }

    /// The linearizable key-value store of Maelstrom.
    pub fn lin_kv(&self) -> Kv {
        Kv::new(self, "lin-kv")
    }

    /// The last-write-wins key-value store of Maelstrom.
    pub fn lww_kv(&self) -> Kv {
        Kv::new(self, "lww-kv")
    }

    /// The linearizable timestamp oracle of Maelstrom.
    pub fn lin_tso(&self) -> Tso {
        Tso::new(self)
    }
}

#[derive(Serialize)]
struct Read<K> {
    key: K,
}

impl<K> Message for Read<K> {
    const TYPE: &'static str = "read";
    const REPLY_FIELD: Option<&'static str> = Some("value");
    type Reply = Box<RawValue>;
}

#[derive(Serialize)]
struct Write<K, V> {
    key: K,
    value: V,
}

impl<K, V> Message for Write<K, V> {
    const TYPE: &'static str = "write";
    type Reply = ();
}

#[derive(Serialize)]
struct Cas<K, V> {
    key: K,
    from: V,
    to: V,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    create_if_not_exists: bool,
}

impl<K, V> Message for Cas<K, V> {
    const TYPE: &'static str = "cas";
    type Reply = ();
}

impl Kv {
    pub(crate) fn new(context: &Context, service: &'static str) -> Self {
        Self {
            context: context.clone(),
            service,
            timeout: Duration::from_secs(1),
        }
    }

    /// Waits `timeout` for each answer instead of one second.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn call<M: Message + Serialize>(&self, message: M) -> Rpc<M> {
        self.context
            .rpc(self.service, message)
            .timeout(self.timeout)
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// 20 key-does-not-exist; 13 crash if the value is no `T`.
    pub async fn read<T: DeserializeOwned>(&self, key: impl Serialize) -> Result<T, Error> {
        let value = self.call(Read { key }).await?;
        Ok(serde_json::from_str(value.get())?)
    }

    /// The value of `key`, or `default` if there is none.
    ///
    /// # Errors
    ///
    /// 13 crash if the value is no `T`.
    pub async fn read_or<T: DeserializeOwned>(
        &self,
        key: impl Serialize,
        default: T,
    ) -> Result<T, Error> {
        match self.read(key).await {
            Err(error) if error.code() == 20 => Ok(default),
            result => result,
        }
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// What the store answered.
    pub async fn write(&self, key: impl Serialize, value: impl Serialize) -> Result<(), Error> {
        self.call(Write { key, value }).await
    }

    /// Sets the value of `key` to `to` if it is `from`.
    ///
    /// # Errors
    ///
    /// 20 key-does-not-exist; 22 precondition-failed if the value is another.
    pub async fn cas<T: Serialize>(
        &self,
        key: impl Serialize,
        from: T,
        to: T,
    ) -> Result<(), Error> {
        self.call(Cas {
            key,
            from,
            to,
            create_if_not_exists: false,
        })
        .await
    }

    /// Sets the value of `key` to `to` if it is `from` or there is none.
    ///
    /// # Errors
    ///
    /// 22 precondition-failed if the value is another.
    pub async fn cas_or_create<T: Serialize>(
        &self,
        key: impl Serialize,
        from: T,
        to: T,
    ) -> Result<(), Error> {
        self.call(Cas {
            key,
            from,
            to,
            create_if_not_exists: true,
        })
        .await
    }
}

/// A client of the timestamp oracle; see [`Context::lin_tso`].
#[derive(Clone, Debug)]
pub struct Tso {
    context: Context,
    timeout: Duration,
}

#[derive(Serialize)]
struct Ts {}

impl Message for Ts {
    const TYPE: &'static str = "ts";
    const REPLY_FIELD: Option<&'static str> = Some("ts");
    type Reply = u64;
}

impl Tso {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            timeout: Duration::from_secs(1),
        }
    }

    /// Waits `timeout` for each answer instead of one second.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A timestamp greater than all that were handed out before the call.
    ///
    /// # Errors
    ///
    /// 0 timeout if the oracle does not answer.
    pub async fn ts(&self) -> Result<u64, Error> {
        self.context
            .rpc("lin-tso", Ts {})
            .timeout(self.timeout)
            .await
    }
}
