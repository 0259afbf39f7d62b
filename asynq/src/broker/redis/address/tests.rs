use super::*;

fn shown(text: &str) -> String {
    match text.parse::<Address>() {
        Ok(address) => address.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn every_form_is_read_and_shown_without_its_password() {
    let cases = [
        ("127.0.0.1:6379", "redis://127.0.0.1:6379"),
        ("[::1]:7000", "redis://[::1]:7000"),
        ("redis://localhost", "redis://localhost:6379"),
        ("redis://localhost/", "redis://localhost:6379"),
        ("valkey://h:1/3", "redis://h:1/3"),
        ("redis://h:1?db=3", "redis://h:1/3"),
        ("redis://ann:s%40cret@h:1/3", "redis://ann:***@h:1/3"),
        ("redis://:secret@h:1", "redis://:***@h:1"),
        ("redis://ann@h:1", "redis://ann@h:1"),
        ("rediss://h:1#insecure", "rediss://h:1"),
        ("rediss://h:1?insecure=true&cacert=/ca.pem", "rediss://h:1"),
        (
            "unix:///run/redis@home.sock?db=2",
            "unix:///run/redis@home.sock?db=2",
        ),
        (
            "unix://ann:secret@/run/r.sock",
            "unix://ann:***@/run/r.sock",
        ),
        (
            "redis+unix:///run/r.sock?user=ann&pass=x",
            "unix://ann:***@/run/r.sock",
        ),
        (
            "redis-cluster://a:1,b,[::1]:3",
            "redis-cluster://a:1,b:6379,[::1]:3",
        ),
        ("rediss-cluster://:pw@a:1/0", "rediss-cluster://:***@a:1"),
        (
            "redis-sentinel://a,b:2/main/4",
            "redis-sentinel://a:26379,b:2/main/4",
        ),
        (
            "rediss-sentinel://:pw@a/main?sentinel_user=s&sentinel_password=p",
            "rediss-sentinel://:***@a:26379/main",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("dcoker", AddressError::Scheme),
        ("localhost", AddressError::Scheme),
        ("http://h:1", AddressError::Scheme),
        ("redis://:1", AddressError::NoHost("redis://host:port")),
        (
            "redis-cluster://a:1,,b:2",
            AddressError::NoHost("redis-cluster://host:port,host:port"),
        ),
        ("redis://a:1,b:2", AddressError::SeveralHosts("redis")),
        ("redis://h:70000", AddressError::Port("`70000`".into())),
        ("redis://h:0", AddressError::Port("`0`".into())),
        ("redis://h/x", AddressError::Database("`x`".into())),
        ("redis://h/-1", AddressError::Database("`-1`".into())),
        ("redis://h/1?db=1", AddressError::DatabaseTwice),
        ("redis://h/1/2", AddressError::Path("`2`".into())),
        ("rediss://h#safe", AddressError::Path("`#safe`".into())),
        ("redis-cluster://h/2", AddressError::DatabaseOfCluster(2)),
        ("redis-sentinel://h", AddressError::NoMaster),
        ("unix://", AddressError::NoSocket),
        ("unix://run/r.sock", AddressError::NoSocket),
        ("redis://h?cacert=x", AddressError::NeedsTls("cacert")),
        ("redis://h#insecure", AddressError::NeedsTls("#insecure")),
        ("rediss://h?cert=x", AddressError::CertWithoutKey),
        ("rediss-cluster://h?sni=x", AddressError::SniOfCluster),
        (
            "rediss://h?insecure=1",
            AddressError::Insecure("`1`".into()),
        ),
        ("redis://%ff@h", AddressError::Encoding("the user")),
        (
            "redis-cluster://h?db=1",
            AddressError::Option {
                name: "`db`".into(),
                accepted: "cacert, cert, key, insecure",
            },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Address>(), Err(expected), "{text}");
    }
}

#[test]
fn a_password_is_in_no_error_wherever_it_ends_up() {
    for text in [
        "redis://:hunter/2@h:1",
        "redis://:hunter?2@h:1",
        "redis://:hunter#2@h:1",
        "redis://ann:hunter@2@h:x",
        "redis://:hunter@h:1/hunter",
        "http://:hunter@h",
        "hunter@h:1x",
        "redis-sentinel://h/m?sentinel_passwort=hunter",
        "unix:///s?db=hunter&pass=hunter",
        "redis://:%ffhunter@h",
    ] {
        let error = text.parse::<Address>().unwrap_err();
        assert!(!error.to_string().contains("hunter"), "{text}: {error}");
        assert!(
            !format!("{error:?}").contains("hunter"),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn serialized_it_is_whole_debugged_it_is_not() {
    let address: Address = "redis://ann:hunter@h:1/3".parse().unwrap();
    let line = serde_json::to_string(&address).unwrap();
    assert_eq!(line, r#""redis://ann:hunter@h:1/3""#);
    assert_eq!(serde_json::from_str::<Address>(&line).unwrap(), address);
    assert_eq!(format!("{address:?}"), "Address(redis://ann:***@h:1/3)");
    assert_eq!(
        (
            address.login.user.as_deref(),
            address.login.password.as_deref()
        ),
        (Some("ann"), Some("hunter"))
    );
    assert!(!format!("{:?}", address.login).contains("hunter"));
}
