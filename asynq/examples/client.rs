//! Enqueues an email. `cargo run -p firedrill-asynq --example client [redis://...]`

use firedrill_asynq::{Client, EnqueueError, NewTask};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let client = Client::connect(address.as_deref().unwrap_or("redis://127.0.0.1")).await?;
    let task = NewTask {
        max_retry: Some(3),
        unique_for: Some(Duration::from_secs(60)),
        retention: Some(Duration::from_secs(3600)),
        ..NewTask::new("email:welcome", "ada@example.org")
    };
    match client.enqueue(task).await {
        Ok(task) => println!("{} is {} in {}", task.id, task.state.name(), task.queue),
        Err(EnqueueError::Duplicate) => println!("it was enqueued less than a minute ago"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
