//! How many clients Redis takes, and whether it takes a new one.

use super::{BEGINS_WITHIN, SILENT_FOR};
use crate::engine::live::stand::Stand;
use firedrill_asynq::broker::redis::address::{Address, Way};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

const MAX_CLIENTS: &str = "maxclients";

impl Stand {
    pub(super) async fn limit_clients(&mut self, to: u32) -> (bool, String) {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(MAX_CLIENTS);
        let told = self.control.command::<(String, String)>(&get, "CONFIG GET");
        match told.await {
            Ok((_, before)) => self.settings.max_clients = Some(before),
            Err(error) => return (false, error.to_string()),
        }
        if let Err(error) = self.set(MAX_CLIENTS, &to.to_string()).await {
            return (false, error);
        }
        match self.connects_anew().await {
            Err(error) if error.contains("max number of clients") => {
                (true, "maxclients set; refuses a new connection".to_owned())
            }
            Err(error) => (false, error),
            Ok(()) => (false, "accepts a new connection".to_owned()),
        }
    }

    pub(super) async fn admit_clients(&mut self) -> Result<(), String> {
        match self.settings.max_clients.take() {
            Some(before) => self.set(MAX_CLIENTS, &before).await,
            None => Ok(()),
        }
    }

    pub(super) async fn connects_anew(&self) -> Result<(), String> {
        connects_anew(&self.redis.address()).await
    }
}

/// A connection of its own, as a client would make it: one too many is told so before it has said a word.
pub(in crate::engine::live) async fn connects_anew(redis: &Address) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    match redis.way() {
        Some(Way::Socket(path)) => hears(UnixStream::connect(path).await.map_err(failed)?).await,
        Some(Way::Server(place)) => hears(TcpStream::connect(place).await.map_err(failed)?).await,
        None => Err("no connection leads to it".to_owned()),
    }
}

/// What a new connection hears: an error at once, or an answer to a greeting.
async fn hears(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
    let mut said = [0; 128];
    let failed = |error: std::io::Error| error.to_string();
    let length = match tokio::time::timeout(SILENT_FOR, stream.read(&mut said)).await {
        Ok(read) => read.map_err(failed)?,
        Err(_) => {
            stream.write_all(b"PING\r\n").await.map_err(failed)?;
            let answer = tokio::time::timeout(BEGINS_WITHIN, stream.read(&mut said)).await;
            answer
                .map_err(|_| "does not answer".to_owned())?
                .map_err(failed)?
        }
    };
    let said = String::from_utf8_lossy(&said[..length]);
    let refuses = ["-ERR max number", "-BUSY"];
    match refuses.iter().any(|error| said.starts_with(error)) || said.is_empty() {
        true => Err(said.trim_end().to_owned()),
        false => Ok(()),
    }
}
