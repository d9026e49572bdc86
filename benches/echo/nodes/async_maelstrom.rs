//! The node on `async-maelstrom`: three tasks on tokio, as in its example.

use std::env;
use std::sync::Arc;

use async_maelstrom::msg::{Body, Echo, Msg, MsgId};
use async_maelstrom::process::{ProcNet, Process};
use async_maelstrom::runtime::Runtime;
use async_maelstrom::{Id, Status};
use async_trait::async_trait;
use tokio::spawn;

#[derive(Default)]
struct EchoProcess {
    net: ProcNet<Echo, ()>,
    id: Id,
}

#[async_trait]
impl Process<Echo, ()> for EchoProcess {
    fn init(&mut self, _: Vec<String>, net: ProcNet<Echo, ()>, id: Id, _: Vec<Id>, _: MsgId) {
        self.net = net;
        self.id = id;
    }

    async fn run(&self) -> Status {
        while let Ok(request) = self.net.rxq.recv().await {
            if let Body::Workload(Echo::Echo { msg_id, echo }) = request.body {
                let reply = Msg {
                    src: self.id.clone(),
                    dest: request.src,
                    body: Body::Workload(Echo::EchoOk {
                        in_reply_to: msg_id,
                        msg_id: None,
                        echo,
                    }),
                };
                self.net.txq.send(reply).await?;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Status {
    let runtime = Runtime::new(env::args().collect(), EchoProcess::default()).await?;
    let runtime = Arc::new(runtime);
    let (egress, ingress) = (runtime.clone(), runtime.clone());
    let egress = spawn(async move { egress.run_io_egress().await });
    let ingress = spawn(async move { ingress.run_io_ingress().await });
    let process = spawn(async move { runtime.run_process().await });
    let _ = tokio::join!(egress, ingress, process);
    Ok(())
}
