//! What Redis allows: asynq's three scripts, called by their hashes from one thread that does nothing else, sixteen calls
//! a write, on four connections.

use crate::{Job, Outcome, QUEUE, Workload, stock};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::keys::Queue;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

const CONNECTIONS: usize = 4;
/// Calls of one write.
const DEPTH: usize = 16;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    job: Job,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    let job = arguments.job;
    let mut lanes = (0..CONNECTIONS)
        .map(|_| Lane::connect(job.port))
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let mut tasks = 0;
    // Each lane has one write under way, so Redis always has something to do.
    let end = start + job.length();
    let steps: &[Step] = match job.workload {
        Workload::Cycle => &[Step::Enqueue, Step::Dequeue, Step::Done],
        Workload::Drain => &[Step::Dequeue, Step::Done],
        Workload::Enqueue => &[Step::Enqueue],
        Workload::Memory => bail!("Redis has no limit to what a process takes"),
    };
    for lane in &mut lanes {
        lane.ask(steps[0])?;
    }
    let mut busy = CONNECTIONS;
    while busy > 0 {
        busy = 0;
        for lane in &mut lanes {
            let Some(step) = lane.asked else {
                continue;
            };
            let did = lane.answered(step)?;
            let place = steps.iter().position(|of| *of == step).context("a step")?;
            let last = place + 1 == steps.len();
            tasks += if last { did } else { 0 };
            let over = match job.workload {
                Workload::Drain => step == Step::Dequeue && did == 0,
                _ => last && Instant::now() >= end,
            };
            if !over {
                lane.ask(steps[(place + 1) % steps.len()])?;
                busy += 1;
            }
        }
    }
    if job.workload == Workload::Drain {
        ensure!(tasks == job.tasks, "{tasks} of {} tasks", job.tasks);
    }
    Ok(Outcome::since(start, tasks))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Enqueue,
    Dequeue,
    Done,
}

/// One connection.
struct Lane {
    stream: BufReader<TcpStream>,
    /// Hashes of the scripts.
    hashes: [String; 3],
    asked: Option<Step>,
    /// Ids of the tasks that were taken.
    taken: Vec<Vec<u8>>,
    out: Vec<u8>,
    clock: ClockOrigin,
}

impl Lane {
    fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut lane = Self {
            stream: BufReader::with_capacity(64 * 1_024, stream),
            hashes: Default::default(),
            asked: None,
            taken: Vec::new(),
            out: Vec::new(),
            clock: ClockOrigin::real_time(),
        };
        let texts = [
            include_str!("../../asynq/src/lua/enqueue.lua"),
            include_str!("../../asynq/src/lua/dequeue.lua"),
            include_str!("../../asynq/src/lua/done.lua"),
        ];
        for (place, text) in texts.into_iter().enumerate() {
            command(&mut lane.out, &[b"SCRIPT", b"LOAD", text.as_bytes()]);
            lane.flush()?;
            match lane.read()? {
                Value::Bulk(hash) => lane.hashes[place] = String::from_utf8(hash)?,
                other => bail!("SCRIPT LOAD: {other:?}"),
            }
        }
        Ok(lane)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn ask(&mut self, step: Step) -> Result<()> {
        let queue = Queue(QUEUE);
        let now = self.clock.now();
        let [pending, paused, active, lease] =
            ["pending", "paused", "active", "lease"].map(|part| queue.key(part));
        let hash = self.hashes[step as usize].as_bytes();
        match step {
            Step::Enqueue => {
                for _ in 0..DEPTH {
                    let message = stock::task();
                    let (key, bytes) = (queue.task(&message.id), message.encode_to_vec());
                    let keys = [key.as_bytes(), pending.as_bytes()];
                    let since = now.0.to_string();
                    let args = [&bytes[..], message.id.as_bytes(), since.as_bytes()];
                    script(&mut self.out, hash, &keys, &args);
                }
            }
            Step::Dequeue => {
                let keys = [&pending, &paused, &active, &lease].map(|key| key.as_bytes());
                let (expires, prefix) = ((now.secs() + 30).to_string(), queue.task_prefix());
                for _ in 0..DEPTH {
                    let args = [expires.as_bytes(), prefix.as_bytes()];
                    script(&mut self.out, hash, &keys, &args);
                }
            }
            Step::Done => {
                let (today, all) = (queue.daily("processed", now), queue.key("processed"));
                let expiry = (now.secs() + 90 * 86_400).to_string();
                for id in &self.taken {
                    let key = queue.task(str::from_utf8(id)?);
                    let keys = [&active, &lease, &key, &today, &all].map(|key| key.as_bytes());
                    let args = [id, expiry.as_bytes(), b"9223372036854775807"];
                    script(&mut self.out, hash, &keys, &args);
                }
            }
        }
        self.asked = Some(step);
        self.flush()
    }

    /// Reads the answers of the step that was asked; says to how many tasks it was done.
    fn answered(&mut self, step: Step) -> Result<u64> {
        self.asked = None;
        let calls = match step {
            Step::Done => self.taken.len(),
            _ => DEPTH,
        };
        if step == Step::Dequeue {
            self.taken.clear();
        }
        for _ in 0..calls {
            match (step, self.read()?) {
                (Step::Enqueue, Value::Int(1)) | (Step::Done, Value::Ok) => {}
                (Step::Dequeue, Value::Pair(id)) => self.taken.push(id),
                (Step::Dequeue, Value::Nil) => {}
                (_, other) => bail!("{step:?}: {other:?}"),
            }
        }
        Ok(match step {
            Step::Dequeue => self.taken.len() as u64,
            _ => calls as u64,
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.ends_with("\r\n"), "Redis has closed the connection");
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn bulk(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn read(&mut self) -> Result<Value> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).context("an empty reply")?;
        Ok(match (kind, rest) {
            ("$" | "*", "-1") => Value::Nil,
            (":", number) => Value::Int(number.parse()?),
            ("+", _) => Value::Ok,
            ("$", length) => Value::Bulk(self.bulk(length.parse()?)?),
            ("*", "2") => match (self.read()?, self.read()?) {
                (Value::Bulk(id), Value::Bulk(_)) => Value::Pair(id),
                other => bail!("{other:?}"),
            },
            _ => bail!("{line}"),
        })
    }
}

/// The replies there are.
#[derive(Debug)]
enum Value {
    Nil,
    Ok,
    Int(i64),
    Bulk(Vec<u8>),
    /// Of an id and a message, the id.
    Pair(Vec<u8>),
}

fn script(out: &mut Vec<u8>, hash: &[u8], keys: &[&[u8]], args: &[&[u8]]) {
    let count = keys.len().to_string();
    header(out, 3 + keys.len() + args.len());
    for part in [b"EVALSHA", hash, count.as_bytes()]
        .iter()
        .chain(keys)
        .chain(args)
    {
        word(out, part);
    }
}

fn command(out: &mut Vec<u8>, parts: &[&[u8]]) {
    header(out, parts.len());
    for part in parts {
        word(out, part);
    }
}

fn header(out: &mut Vec<u8>, parts: usize) {
    out.extend_from_slice(format!("*{parts}\r\n").as_bytes());
}

fn word(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
    out.extend_from_slice(part);
    out.extend_from_slice(b"\r\n");
}
