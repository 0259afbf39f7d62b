//! A worker of the queues `default` and `low`. `cargo run -p firedrill-asynq --example server [redis://...]`

use firedrill_asynq::{Config, Context, HandlerError, ServeMux, Server, Task};

async fn send(task: Task, context: Context) -> Result<(), HandlerError> {
    let to = str::from_utf8(task.payload())?;
    if to.is_empty() {
        return Err(HandlerError::skip_retry("nobody to send to"));
    }
    println!("sent to {to}, attempt {}", context.retry_count() + 1);
    context.write_result("sent");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let config = Config {
        concurrency: 10,
        queues: [("default".into(), 3), ("low".into(), 1)].into(),
        ..Config::default()
    };
    let server = Server::connect(address.as_deref().unwrap_or("redis://127.0.0.1"), config).await?;
    // Until SIGTERM or SIGINT.
    server.run(ServeMux::new().handle("email:", send)).await?;
    Ok(())
}
