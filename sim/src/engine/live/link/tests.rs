use super::*;
use std::io::Write as _;
use std::net::TcpListener as StdListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that sends back what it gets.
fn server() -> String {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let place = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back).map(|_| back.flush());
            });
        }
    });
    place
}

async fn link() -> Link {
    let dice = rng::stream(1, "test");
    Link::plain(Way::Server(server()), dice).await.unwrap()
}

fn slow(delay_ms: u64, jitter_ms: u64) -> State {
    let way = OneWay {
        delay: Duration::from_millis(delay_ms),
        jitter: Duration::from_millis(jitter_ms),
        ..OneWay::default()
    };
    State::of(way, Ways::Both)
}

fn cut(ways: Ways) -> State {
    let way = OneWay {
        cut: true,
        ..OneWay::default()
    };
    State::of(way, ways)
}

fn reset() -> State {
    State {
        reset: true,
        ..State::default()
    }
}

async fn connect(link: &Link) -> TcpStream {
    let place = (Ipv4Addr::LOCALHOST, link.port);
    TcpStream::connect(place).await.unwrap()
}

#[tokio::test]
async fn a_link_is_seen_to_be_slow_cut_and_well_again() {
    let link = link().await;
    let well = State::default();
    for state in [
        well,
        slow(30, 0),
        slow(10, 20),
        slow(0, 40),
        cut(Ways::Both),
        cut(Ways::ToRedis),
        cut(Ways::ToClient),
        reset(),
        well,
    ] {
        link.state.send_replace(state);
        assert!(link.is(state).await, "{state:?}");
    }
    assert!(!link.is(cut(Ways::Both)).await, "it answers");
    assert!(!link.is(slow(1_000, 0)).await, "it answers at once");
    assert!(!link.is(slow(0, 4_000)).await, "it always answers at once");
}

#[tokio::test]
async fn what_is_held_arrives_when_the_link_heals_and_nothing_is_closed() {
    let link = link().await;
    let mut stream = connect(&link).await;
    stream.write_all(b"a").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
    link.state.send_replace(cut(Ways::Both));
    stream.write_all(b"b").await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(100), stream.read_u8());
    assert!(silence.await.is_err());
    link.state.send_replace(State::default());
    assert_eq!(stream.read_u8().await.unwrap(), b'b');
}

#[tokio::test]
async fn connections_are_reset_those_there_are_and_new_ones() {
    let link = link().await;
    let mut stream = connect(&link).await;
    stream.write_all(b"a").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
    link.state.send_replace(reset());
    let told = stream.read_u8().await.unwrap_err();
    assert_eq!(told.kind(), io::ErrorKind::ConnectionReset);
    let mut new = connect(&link).await;
    let told = new.read_u8().await.unwrap_err();
    assert_eq!(told.kind(), io::ErrorKind::ConnectionReset);
    link.state.send_replace(State::default());
    let mut stream = connect(&link).await;
    stream.write_all(b"b").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'b');
}

#[tokio::test]
async fn ten_megabytes_pass_whole_and_in_order_over_a_link_with_jitter() {
    let link = link().await;
    link.state.send_replace(slow(1, 3));
    let sent: Vec<u8> = (0..10 << 20).map(|n: u32| (n ^ (n >> 8)) as u8).collect();
    let (mut from, mut to) = connect(&link).await.into_split();
    let mut got = vec![0; sent.len()];
    let (wrote, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut got));
    wrote.unwrap();
    read.unwrap();
    assert!(got == sent);
}

#[tokio::test]
async fn a_thin_link_and_one_that_slices_are_seen_to_be_so() {
    let link = link().await;
    let thin = OneWay {
        rate: Some(20_000.0),
        ..OneWay::default()
    };
    let sliced = OneWay {
        slice: Some((100, Duration::from_millis(5))),
        ..OneWay::default()
    };
    for state in [
        State::of(thin, Ways::Both),
        State::of(thin, Ways::ToClient),
        State::of(sliced, Ways::ToRedis),
    ] {
        assert!(!link.is(state).await, "as before: {state:?}");
        link.state.send_replace(state);
        assert!(link.is(state).await, "{state:?}");
        link.state.send_replace(State::default());
    }
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_ends_its_connections() {
    let link = link().await;
    let mut stream = connect(&link).await;
    stream.write_all(b"a").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
    link.lead(Way::Server(server()));
    assert!(stream.read_u8().await.is_err());
    let mut stream = connect(&link).await;
    stream.write_all(b"b").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'b');
}
