//! A node whose handlers wait for threads and have timers without delay, and
//! that does nothing by itself.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use futures_channel::oneshot;
use glomer_runtime::prelude::*;

#[handler("echo", reply = "echo")]
fn echo(echo: String) -> String {
    echo
}

/// Has a thread read all that a local port has to say, and waits for it.
#[handler("read_elsewhere", reply = "text")]
async fn read_elsewhere(port: u16) -> Result<String, Error> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = TcpStream::connect(("127.0.0.1", port))
            .and_then(|mut stream| stream.read_to_string(&mut text));
        // Nobody wants it any more if the input has ended.
        let _ = sender.send(read.map(|_| text));
    });
    let gone = |_| Error::crash("the thread has panicked");
    Ok(receiver.await.map_err(gone)??)
}

#[handler("again")]
fn again(cx: &Context) {
    cx.after(Duration::ZERO, Again {});
}

#[handler("hasty")]
async fn hasty(cx: &Context) {
    let echo = || Echo {
        echo: String::new(),
    };
    while cx.rpc("n2", echo()).timeout(Duration::ZERO).await.is_err() {}
}

#[handler("drowsy")]
async fn drowsy(cx: &Context) {
    loop {
        cx.sleep(Duration::ZERO).await;
    }
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<()>()
}
