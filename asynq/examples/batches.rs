//! A worker that fetches and finishes up to 50 tasks in one round trip, and says which it works on.
//! `cargo run -p firedrill-asynq --example batches [redis://... [SPEED]]`; at a speed of 60 its minute is a second, which shows sooner
//! what becomes of the tasks of a killed worker.

use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::{Config, Context, Server, Task};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let speed = arguments.next().map_or(Ok(1.0), |speed| speed.parse())?;
    let clock = ClockOrigin::start(ClockOrigin::real_time().now(), speed);
    let config = Config {
        concurrency: 100,
        batch: 50,
        clock: Some(clock),
        ..Config::default()
    };
    let server = Server::connect(address.as_deref().unwrap_or("redis://127.0.0.1"), config).await?;
    // Until SIGTERM or SIGINT.
    server
        .run(|_: Task, context: Context| async move {
            println!("{}", context.task_id());
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(())
        })
        .await?;
    Ok(())
}
