//! Looking whether a link is as it should be, from the side of its clients.

use super::opening::{self, Opening};
use super::{OneWay, State};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// How long an answer over a healthy link may take, real time: longer than a hiccup of the machine.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// How long silence must last for a link to count as cut.
const SILENT_FOR: Duration = Duration::from_millis(50);
/// How often an uneven link is greeted at most.
const GREETINGS: u32 = 8;
/// What takes a link time by its size, real time: long enough to be told from a hiccup, and short for a drill.
const TAKES: Duration = Duration::from_millis(60);
/// Least and most bytes that a link is asked to carry for that.
const CARRIES: [f64; 2] = [64.0, 8e6];

/// Whoever looks.
pub(super) struct Probe {
    /// `host:port`.
    place: String,
    /// What is said first where the link does not say it.
    opening: Option<Arc<Opening>>,
}

impl Probe {
    /// At a link that logs in by itself, or leads to whom nobody has to log in.
    pub(super) fn at(place: String) -> Self {
        Self {
            place,
            opening: None,
        }
    }

    /// At one that leads to a Redis at which this is said first.
    pub(super) fn logging_in(place: String, opening: Arc<Opening>) -> Self {
        Self {
            place,
            opening: Some(opening),
        }
    }

    /// Whether the link is as it should be: a greeting over it is answered, late or not at all. One that is only uneven is
    /// greeted a few times: all of them early would be a rare accident.
    pub(super) async fn sees(&self, state: State) -> bool {
        let delays = || state.ways.iter().map(|way| way.delay).sum::<Duration>();
        let jitters = || state.ways.iter().map(|way| way.jitter).sum::<Duration>();
        let least = match (delays(), jitters()) {
            (Duration::ZERO, jitters) => jitters / 8,
            (delays, _) => delays,
        };
        if state
            .ways
            .iter()
            .any(|way| way.rate.is_some() || way.slice.is_some())
        {
            return self.takes_time(state).await;
        }
        if state.reset {
            // At once: silence would be a cut.
            let answer = tokio::time::timeout(ANSWERS_WITHIN, self.greet()).await;
            return matches!(answer, Ok(Err(_)));
        }
        for _ in 0..GREETINGS {
            let took = self.greeted(state).await;
            match took {
                Some(took) if !state.is_cut() && took >= least => return true,
                // Once on time says nothing of jitter.
                Some(_) if !state.is_cut() && delays().is_zero() => {}
                Some(_) => return false,
                None => return state.is_cut(),
            }
        }
        false
    }

    /// How long it takes until a greeting is answered; `None`: longer than it would.
    async fn greeted(&self, state: State) -> Option<Duration> {
        let began = tokio::time::Instant::now();
        let delays = state.ways.iter().map(|way| way.delay + way.jitter);
        let patience = match state.is_cut() {
            true => SILENT_FOR,
            false => ANSWERS_WITHIN + delays.sum::<Duration>(),
        };
        let answered = tokio::time::timeout(patience, self.greet()).await;
        answered.ok()?.ok()?;
        Some(began.elapsed())
    }

    /// Whether something that is large enough takes as long as it should over a thin link, or one that cuts it to pieces.
    async fn takes_time(&self, state: State) -> bool {
        let per_byte = |way: &OneWay| {
            let sliced = way
                .slice
                .map(|(bytes, every)| every.as_secs_f64() / bytes as f64);
            way.rate.map(|rate| 1.0 / rate).or(sliced).unwrap_or(0.0)
        };
        let each = state.ways.iter().map(per_byte).sum::<f64>();
        let bytes = (TAKES.as_secs_f64() / each).clamp(CARRIES[0], CARRIES[1]);
        let takes = Duration::from_secs_f64(bytes * each);
        let began = tokio::time::Instant::now();
        let echoed = tokio::time::timeout(ANSWERS_WITHIN + 4 * takes, self.echo(bytes as usize));
        // Nobody else is to be thanked for it: others on the link make it longer only.
        matches!(echoed.await, Ok(Ok(()))) && began.elapsed() >= takes / 2
    }

    /// A connection on which Redis takes commands.
    async fn connect(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(&*self.place).await?;
        opening::say(self.opening.as_deref(), &mut stream).await?;
        Ok(stream)
    }

    /// Has so many bytes come back over a link.
    async fn echo(&self, bytes: usize) -> io::Result<()> {
        let (mut from, mut to) = self.connect().await?.into_split();
        let mut asked = format!("*2\r\n$4\r\nECHO\r\n${bytes}\r\n").into_bytes();
        let mut answer = vec![0; format!("${bytes}\r\n").len() + bytes + 2];
        asked.resize(asked.len() + bytes, b'x');
        asked.extend_from_slice(b"\r\n");
        let (sent, heard) = tokio::join!(to.write_all(&asked), from.read_exact(&mut answer));
        sent.and(heard.map(drop))
    }

    /// Asks for anything over a link and waits for the first byte of the answer.
    async fn greet(&self) -> io::Result<()> {
        let mut stream = self.connect().await?;
        stream.write_all(b"PING\r\n").await?;
        stream.read_u8().await.map(drop)
    }

    /// Who answers at its other end: the id that a Redis has as long as it runs.
    ///
    /// # Errors
    /// When nobody does in time, or it is no Redis that tells.
    pub(super) async fn run_id(&self) -> io::Result<String> {
        let asked = async {
            let mut stream = self.connect().await?;
            stream.write_all(b"INFO server\r\n").await?;
            let mut lines = BufReader::new(stream).lines();
            while let Some(line) = lines.next_line().await? {
                if line.starts_with('-') {
                    return Err(io::Error::other(line));
                }
                if let Some(id) = line.strip_prefix("run_id:") {
                    return Ok(id.to_owned());
                }
            }
            Err(io::ErrorKind::UnexpectedEof.into())
        };
        let answer = tokio::time::timeout(ANSWERS_WITHIN, asked).await;
        answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
