use super::*;
use crate::alertmanager::Labels;

const FILE: &str = r#"
# firedrill: pages = pagerduty-*, phone
global:
  resolve_timeout: 5m
  smtp_auth_password: hunter2
templates: ['*.tmpl']
route:
  receiver: slack
  group_by: [alertname, queue]
  routes:
    - matchers: ['severity=~"page|critical"', team="a b"]
      receiver: pagerduty-a
      continue: true
      group_wait: 1m
      routes:
        - match: { env: dev }
          receiver: 'null'
          group_by: ['...']
    - match_re: { severity: page.* }
      receiver: phone
      active_time_intervals: [office]
      mute_time_intervals: [lunch]
inhibit_rules:
  - source_matchers: [alertname = RedisDown]
    target_match: { severity: page }
    equal: [cluster]
mute_time_intervals:
  - name: lunch
    time_intervals: [{ times: [{ start_time: '12:00', end_time: '13:00' }] }]
time_intervals:
  - name: office
    time_intervals:
      - { weekdays: ['monday:friday'], times: [{ start_time: '09:00', end_time: '17:00' }], location: Europe/Berlin }
      - {}
receivers:
  - name: slack
    slack_configs: [{ api_url: 'https://hooks/secret' }, { send_resolved: true }]
  - name: pagerduty-a
    pagerduty_configs: [{ service_key: secret, send_resolved: false }]
  - name: phone
    webhook_configs: [{ url: 'http://x' }]
    email_configs: [{ to: a@b }]
  - name: 'null'
"#;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter();
    pairs.map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

fn problems(text: &str) -> Vec<String> {
    let found = Config::parse("am.yml", text).unwrap_err();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_says_who_is_sent_what() {
    let config = Config::parse("am.yml", FILE).unwrap();
    for (pairs, receivers, reach) in [
        (
            &[("severity", "ticket")][..],
            &["slack"][..],
            Reach::Channel,
        ),
        (&[("severity", "page")], &["phone"], Reach::Person),
        (&[("severity", "pagers")], &["phone"], Reach::Person),
        (
            &[("severity", "page"), ("team", "a b")],
            &["pagerduty-a", "phone"],
            Reach::Person,
        ),
        (
            &[("severity", "critical"), ("team", "a b"), ("env", "dev")],
            &["null"],
            Reach::Nobody,
        ),
    ] {
        let own = labels(pairs);
        assert_eq!(config.receivers_of(&own), receivers, "{pairs:?}");
        assert_eq!(config.reach(&own), reach, "{pairs:?}");
    }
    let deep = &config.routes[2];
    assert_eq!(
        (deep.group_wait_ms, &deep.group_by),
        (60_000, &GroupBy::All)
    );
    assert_eq!(deep.group_interval_ms, GROUP_INTERVAL_MS);
    let own = config.receivers["slack"].integrations.iter();
    let own: Vec<bool> = own.map(|one| one.send_resolved).collect();
    assert_eq!(own, [false, true]);
    assert!(config.may_page(&labels(&[("alertname", "A")])));
    assert!(!config.may_page(&labels(&[("severity", "ticket")])));
}

#[test]
fn what_is_kept_has_no_secrets_and_means_the_same() {
    let config = Config::parse("am.yml", FILE).unwrap();
    let kept = config.reduced();
    for secret in ["hunter2", "secret", "http", "a@b"] {
        assert!(!kept.text.contains(secret), "{}", kept.text);
    }
    let again = Config::parse(&kept.name, &kept.text).unwrap();
    assert_eq!(again.reduced(), kept);
    assert_eq!(again.routes, config.routes);
    assert_eq!(again.inhibit_rules, config.inhibit_rules);
    assert_eq!(again.intervals, config.intervals);
    assert_eq!(again.receivers, config.receivers);
}

#[test]
fn names_with_commas_stars_and_quotes_are_kept_whole() {
    let text = "# firedrill: pages = a\\,\\*\nroute: { receiver: 'a,*' }\nreceivers:\n\
                - { name: 'a,*', webhook_configs: [{}] }\n- { name: 'a,b', webhook_configs: [{}] }\n\
                - { name: \"q\\\"\\n\" }\n";
    let config = Config::parse("am.yml", text).unwrap();
    let paging = config.receivers.iter().filter(|(_, own)| own.pages);
    let paging: Vec<&str> = paging.map(|(name, _)| name.as_str()).collect();
    assert_eq!(paging, ["a,*"]);
    let kept = config.reduced();
    assert_eq!(Config::parse("am.yml", &kept.text).unwrap(), config);
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_where() {
    let text = "\
route:
  receiver: slak
  group_wait: soon
  group_interval: 0s
  matchers: [a=b]
  routes:
    - receiver: slack
      matchers: ['=x', 'a=~\"(\"']
      match: { 'a-b': c }
      mute_time_intervals: [night]
      continue: perhaps
      group_by: ['...', a]
      group_bye: []
inhibit_rules:
  - { target_matchers: ['a'], equal: [''] }
time_intervals:
  - { name: nights, time_intervals: [{ weekdays: [funday] }] }
receivers:
  - { name: slack, slack_configs: [{ send_resolved: 7 }], pager_duty: [] }
  - { name: slack }
";
    let found = problems(text);
    for told in [
        "am.yml:2:13: there is no receiver `slak`\n    did you mean `slack`? accepted: slack",
        "am.yml:3:15: group_wait: expected a duration such as",
        "am.yml:4:19: group_interval: expected a duration such as `30s`, `5m` or `1h30m`, more than nothing",
        "am.yml:2:3: route: the root route must not have matchers",
        "am.yml:8:18: matchers: `=x` is no matcher",
        "am.yml:8:24: matchers: `(` is no regular expression",
        "am.yml:9:16: match: expected a label name",
        "am.yml:10:29: there is no time interval `night`\n    did you mean `nights`?",
        "am.yml:11:17: continue: expected true or false",
        "am.yml:12:17: group_by: `...` means all labels",
        "am.yml:13:7: unknown key `group_bye` in route\n    did you mean `group_by`?",
        "am.yml:15:25: target_matchers: `a` is no matcher",
        "am.yml:15:39: equal: a label name is empty",
        "am.yml:17:51: weekdays: expected days",
        "am.yml:19:53: send_resolved: expected true or false",
        "am.yml:19:59: unknown key `pager_duty` in receiver",
        "am.yml:20:13: there are two receivers called `slack`",
    ] {
        assert!(
            found.iter().any(|problem| problem.starts_with(told)),
            "{told}\n{found:#?}"
        );
    }
    assert_eq!(found.len(), 17, "{found:#?}");
    assert!(problems("receivers: []")[0].contains("`route` is missing"));
    assert!(problems("route: {}\n")[0].contains("the root route has no `receiver`"));
}

#[test]
fn it_must_be_said_who_pages() {
    let with = |said: &str| {
        let text = format!(
            "{said}\nroute: {{ receiver: mail }}\nreceivers:\n- {{ name: mail, email_configs: [{{}}] }}\n\
             - {{ name: phone, webhook_configs: [{{}}] }}\n- name: none\n"
        );
        Config::parse("am.yml", &text).map_err(|found| found[0].to_string())
    };
    for (said, told) in [
        (
            "",
            "am.yml:1:1: it is not said which receivers page a person\n    add a comment such as",
        ),
        (
            "# firedrill: page = mail",
            "am.yml:1:1: cannot read the directive `firedrill: page = mail`",
        ),
        (
            "# firedrill: pages = mail,",
            "am.yml:1:1: cannot read the directive",
        ),
        (
            "# firedrill: pages = mial",
            "am.yml:1:1: no receiver is called `mial`\n    the receivers are mail, none, phone",
        ),
        (
            "# firedrill: pages = phone",
            "am.yml:1:1: no route leads to a receiver that pages",
        ),
        (
            "# firedrill: pages = n*",
            "am.yml:1:1: the receivers that page have no integration",
        ),
    ] {
        let error = with(said).unwrap_err();
        assert!(error.starts_with(told), "{said}: {error}");
    }
    assert!(with("# firedrill: pages = m??l").is_ok());
    assert!(with("# firedrill: pages = *").is_ok());
}
