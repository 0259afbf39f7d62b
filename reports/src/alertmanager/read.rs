//! Reads an Alertmanager file, by `config/config.go`: all that is wrong with it at once, each with its place.

use super::inhibit::InhibitRule;
use super::interval::TimeInterval;
use super::matcher::{self, Matcher, Operator, is_classic_name};
use super::route::{GROUP_INTERVAL_MS, GROUP_WAIT_MS, GroupBy, REPEAT_INTERVAL_MS, Reach, Route};
use super::{Config, Integration, Receiver};
use firedrill_detector::duration::parse_ms;
use firedrill_detector::yaml::{
    Fields, Node, Position, Problem, Problems, closest, lines_in_scalars, parse,
};
use std::collections::{BTreeMap, BTreeSet};

/// The integrations there are, and whether they send that an alert is over where nothing is said.
const INTEGRATIONS: [(&str, bool); 18] = [
    ("discord_configs", true),
    ("email_configs", false),
    ("incidentio_configs", true),
    ("jira_configs", true),
    ("mattermost_configs", true),
    ("msteams_configs", true),
    ("msteamsv2_configs", true),
    ("opsgenie_configs", true),
    ("pagerduty_configs", true),
    ("pushover_configs", true),
    ("rocketchat_configs", false),
    ("slack_configs", false),
    ("sns_configs", true),
    ("telegram_configs", true),
    ("victorops_configs", true),
    ("webex_configs", true),
    ("webhook_configs", true),
    ("wechat_configs", false),
];

const DIRECTIVE: &str =
    "accepted: `# firedrill: pages = RECEIVER, ...`, with `*` and `?` for the rest of a name";

impl Config {
    /// Reads a file called `name`.
    ///
    /// # Errors
    /// With all that Alertmanager would refuse of what is looked at, and where it is not said, or wrongly, which receivers
    /// page.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(name);
        let config = read(name, text, &mut problems);
        match (problems.is_empty(), config) {
            (true, Some(config)) => Ok(config),
            _ => Err(problems.into_vec()),
        }
    }
}

fn read(name: &str, text: &str, problems: &mut Problems) -> Option<Config> {
    let globs = directives(text, problems);
    let document = parse(text, problems)?;
    let mut fields = Fields::new(&document, "Alertmanager file", problems)?;
    for ignored in ["templates", "tracing", "event_recorder"] {
        fields.take(ignored);
    }
    if let Some(Some(timeout)) = fields
        .take("global")
        .map(|global| find(global, "resolve_timeout"))
    {
        // Of alerts without an end alone; Prometheus gives each of its own one.
        duration(timeout, "resolve_timeout", 0, problems);
    }
    let root = fields.required("route", problems);
    let rules = fields.take("inhibit_rules");
    let receivers = fields.take("receivers");
    let intervals = [
        fields.take("mute_time_intervals"),
        fields.take("time_intervals"),
    ];
    fields.finish(problems);
    let mut config = Config {
        name: name.to_owned(),
        routes: Vec::new(),
        inhibit_rules: Vec::new(),
        intervals: BTreeMap::new(),
        receivers: BTreeMap::new(),
    };
    for node in items(receivers, "receivers", problems) {
        receiver(node, &mut config.receivers, problems);
    }
    for list in intervals {
        for node in items(list, "time_intervals", problems) {
            interval(node, &mut config.intervals, problems);
        }
    }
    for node in items(rules, "inhibit_rules", problems) {
        config.inhibit_rules.extend(inhibit_rule(node, problems));
    }
    if let Some(root) = root {
        route(root, None, &mut config, problems);
    }
    if problems.is_empty() {
        pages(&globs, &mut config, problems);
    }
    Some(config)
}

/// The value of a key of a mapping in which other keys are nobody's business.
fn find<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let entries = match &node.value {
        firedrill_detector::yaml::Value::Mapping(entries) => entries,
        _ => return None,
    };
    let mut entries = entries.iter();
    let found = entries.find(|(key, _)| key.text() == Some(name));
    found
        .map(|(_, value)| value)
        .filter(|value| !value.is_null())
}

fn items<'n>(node: Option<&'n Node>, what: &str, problems: &mut Problems) -> &'n [Node] {
    node.and_then(|node| node.as_seq(what, problems))
        .unwrap_or(&[])
}

/// Names in a list, with their places.
fn names<'n>(
    node: Option<&'n Node>,
    what: &str,
    problems: &mut Problems,
) -> Vec<(&'n str, Position)> {
    let mut found = Vec::new();
    for item in items(node, what, problems) {
        found.extend(item.as_str(what, problems).map(|name| (name, item.at)));
    }
    found
}

fn duration(node: &Node, what: &str, least_ms: i64, problems: &mut Problems) -> Option<i64> {
    let ms = parse_ms(node.as_str(what, problems)?).filter(|ms| *ms >= least_ms);
    if ms.is_none() {
        let more = if least_ms > 0 {
            ", more than nothing"
        } else {
            ""
        };
        let accepted = format!("a duration such as `30s`, `5m` or `1h30m`{more}");
        node.expected(what, &accepted, problems);
    }
    ms
}

fn receiver(node: &Node, known: &mut BTreeMap<String, Receiver>, problems: &mut Problems) {
    let Some(mut fields) = Fields::new(node, "receiver", problems) else {
        return;
    };
    fields.take("labels");
    let name_node = fields.required("name", problems);
    let mut own = Receiver::default();
    for (kind, sends_resolved) in INTEGRATIONS {
        for one in items(fields.take(kind), kind, problems) {
            if one.as_map(kind, problems).is_none() {
                continue;
            }
            let said = find(one, "send_resolved");
            let said = said.and_then(|node| node.as_bool("send_resolved", problems));
            own.integrations.push(Integration {
                kind,
                send_resolved: said.unwrap_or(sends_resolved),
            });
        }
    }
    fields.finish(problems);
    let Some((node, name)) =
        name_node.and_then(|node| Some((node, node.as_str("name", problems)?)))
    else {
        return;
    };
    if name.is_empty() {
        node.expected("name", "the name of a receiver", problems);
    } else if known.insert(name.to_owned(), own).is_some() {
        problems.push(node.at, format!("there are two receivers called `{name}`"));
    }
}

fn interval(node: &Node, known: &mut BTreeMap<String, Vec<TimeInterval>>, problems: &mut Problems) {
    let Some(mut fields) = Fields::new(node, "named time interval", problems) else {
        return;
    };
    let name_node = fields.required("name", problems);
    let mut own = Vec::new();
    for one in items(fields.take("time_intervals"), "time_intervals", problems) {
        own.extend(TimeInterval::read(one, problems));
    }
    fields.finish(problems);
    let Some((node, name)) =
        name_node.and_then(|node| Some((node, node.as_str("name", problems)?)))
    else {
        return;
    };
    if name.is_empty() {
        node.expected("name", "the name of a time interval", problems);
    } else if known.insert(name.to_owned(), own).is_some() {
        let message = format!("there are two time intervals called `{name}`");
        problems.push(node.at, message);
    }
}

/// `match`, `match_re` and `matchers`, under these names, in Alertmanager's order.
fn matchers(
    fields: &mut Fields<'_>,
    [equal, regex, both]: [&'static str; 3],
    problems: &mut Problems,
) -> Vec<Matcher> {
    let mut found = Vec::new();
    for (key, operator) in [(equal, Operator::Equal), (regex, Operator::Regex)] {
        let node = fields.take(key);
        for (name, value) in node
            .and_then(|node| node.as_map(key, problems))
            .unwrap_or(&[])
        {
            let Some(label) = name.as_str(key, problems) else {
                continue;
            };
            if !is_classic_name(label) {
                let accepted = "a label name of letters, digits and underscores";
                name.expected(key, accepted, problems);
                continue;
            }
            let Some(text) = value.as_str(label, problems) else {
                continue;
            };
            match Matcher::new(label, operator, text) {
                Ok(matcher) => found.push(matcher),
                Err(error) => problems.push(value.at, format!("{key}: {error}")),
            }
        }
    }
    for item in items(fields.take(both), both, problems) {
        let Some(text) = item.as_str(both, problems) else {
            continue;
        };
        match matcher::parse(text) {
            Ok(matchers) => found.extend(matchers),
            Err(error) => problems.push_with_hint(
                item.at,
                format!("{both}: {error}"),
                "accepted: `label=\"value\"`, with `=`, `!=`, `=~` or `!~`; several with commas between",
            ),
        }
    }
    matcher::sort(&mut found);
    found
}

fn inhibit_rule(node: &Node, problems: &mut Problems) -> Option<InhibitRule> {
    let mut fields = Fields::new(node, "inhibition rule", problems)?;
    fields.take("name");
    let keys = ["source_match", "source_match_re", "source_matchers"];
    let source = matchers(&mut fields, keys, problems);
    let keys = ["target_match", "target_match_re", "target_matchers"];
    let target = matchers(&mut fields, keys, problems);
    let equal = names(fields.take("equal"), "equal", problems);
    fields.finish(problems);
    for (name, at) in &equal {
        if name.is_empty() {
            problems.push(*at, "equal: a label name is empty");
        }
    }
    Some(InhibitRule {
        source,
        target,
        equal: equal.into_iter().map(|(name, _)| name.to_owned()).collect(),
    })
}

/// A route and those below it; what it does not say it has from its parent.
fn route(node: &Node, parent: Option<usize>, config: &mut Config, problems: &mut Problems) {
    let Some(mut fields) = Fields::new(node, "route", problems) else {
        return;
    };
    fields.take("labels");
    let above = parent.and_then(|parent| config.routes.get(parent)).cloned();
    let receiver = fields.take("receiver");
    let name = receiver.and_then(|node| node.as_str("receiver", problems));
    let name = name.filter(|name| !name.is_empty());
    if let (Some(node), Some(name)) = (receiver, name)
        && !config.receivers.contains_key(name)
    {
        unknown("receiver", name, node.at, config.receivers.keys(), problems);
    }
    let group_by = group_by(fields.take("group_by"), problems);
    let mut own_ms = |key, least_ms| {
        fields
            .take(key)
            .and_then(|node| duration(node, key, least_ms, problems))
    };
    let wait_ms = own_ms("group_wait", 0);
    let interval_ms = own_ms("group_interval", 1);
    let repeat_ms = own_ms("repeat_interval", 1);
    let matchers = matchers(&mut fields, ["match", "match_re", "matchers"], problems);
    let goes_on = fields.take("continue");
    let goes_on = goes_on.and_then(|node| node.as_bool("continue", problems));
    let mut intervals = |key| {
        let mut own = Vec::new();
        for (name, at) in names(fields.take(key), key, problems) {
            if !config.intervals.contains_key(name) {
                unknown("time interval", name, at, config.intervals.keys(), problems);
            }
            own.push(name.to_owned());
        }
        own
    };
    let muted = intervals("mute_time_intervals");
    let active = intervals("active_time_intervals");
    let children = fields.take("routes");
    let at = fields.at();
    fields.finish(problems);
    if parent.is_none() {
        if name.is_none() {
            let message = "route: the root route has no `receiver`";
            problems.push_with_hint(at, message, "it takes what no other route does");
        }
        for (found, what) in [
            (!matchers.is_empty(), "matchers"),
            (!muted.is_empty(), "`mute_time_intervals`"),
            (!active.is_empty(), "`active_time_intervals`"),
        ] {
            if found {
                let message = format!("route: the root route must not have {what}");
                problems.push_with_hint(at, message, "it takes all alerts, at any time");
            }
        }
    }
    let index = config.routes.len();
    let from_above = |ms: fn(&Route) -> i64, default: i64| above.as_ref().map_or(default, ms);
    let own = Route {
        parent,
        children: Vec::new(),
        matchers,
        goes_on: goes_on.unwrap_or(false),
        receiver: match (name, &above) {
            (Some(name), _) => name.to_owned(),
            (None, Some(above)) => above.receiver.clone(),
            (None, None) => String::new(),
        },
        group_by: match (group_by, &above) {
            (Some(group_by), _) => group_by,
            (None, Some(above)) => above.group_by.clone(),
            (None, None) => GroupBy::Labels(BTreeSet::new()),
        },
        group_wait_ms: wait_ms.unwrap_or(from_above(|above| above.group_wait_ms, GROUP_WAIT_MS)),
        group_interval_ms: interval_ms.unwrap_or(from_above(
            |above| above.group_interval_ms,
            GROUP_INTERVAL_MS,
        )),
        repeat_interval_ms: repeat_ms.unwrap_or(from_above(
            |above| above.repeat_interval_ms,
            REPEAT_INTERVAL_MS,
        )),
        mute_time_intervals: muted,
        active_time_intervals: active,
    };
    config.routes.push(own);
    if let Some(above) = parent.and_then(|parent| config.routes.get_mut(parent)) {
        above.children.push(index);
    }
    for child in items(children, "routes", problems) {
        route(child, Some(index), config, problems);
    }
}

fn group_by(node: Option<&Node>, problems: &mut Problems) -> Option<GroupBy> {
    let node = node?;
    let listed = names(Some(node), "group_by", problems);
    let mut labels = BTreeSet::new();
    let mut all = false;
    for (name, at) in listed {
        match name {
            "..." => all = true,
            "" => problems.push(at, "group_by: a label name is empty"),
            _ if !labels.insert(name.to_owned()) => {
                problems.push(at, format!("group_by: `{name}` is there twice"));
            }
            _ => {}
        }
    }
    if all && !labels.is_empty() {
        let message = "group_by: `...` means all labels, and no other goes with it";
        problems.push(node.at, message);
    }
    Some(match all {
        true => GroupBy::All,
        false => GroupBy::Labels(labels),
    })
}

fn unknown<'k>(
    what: &str,
    name: &str,
    at: Position,
    known: impl Iterator<Item = &'k String>,
    problems: &mut Problems,
) {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let there = match known.is_empty() {
        true => format!("there is no {what}"),
        false => format!("accepted: {}", known.join(", ")),
    };
    let hint = match closest(name, known) {
        Some(close) => format!("did you mean `{close}`? {there}"),
        None => there,
    };
    problems.push_with_hint(at, format!("there is no {what} `{name}`"), hint);
}

/// A pattern for receivers' names, and where it stands.
type Glob = (String, Position);

/// What the comments of a file say of who pages.
fn directives(text: &str, problems: &mut Problems) -> Vec<Glob> {
    let mut found = Vec::new();
    let in_texts = lines_in_scalars(text);
    for (index, line) in text.lines().enumerate() {
        let comment = line.trim_start().strip_prefix('#').map(str::trim);
        let said = comment.and_then(|comment| comment.strip_prefix("firedrill:"));
        let Some(said) = said.filter(|_| !in_texts.contains(&(index + 1))) else {
            continue;
        };
        let at = Position {
            line: index + 1,
            column: 1 + line.len() - line.trim_start().len(),
        };
        let list = said.trim().strip_prefix("pages").map(str::trim_start);
        let globs: Vec<String> = match list.and_then(|list| list.strip_prefix('=')) {
            Some(list) => split(list),
            None => Vec::new(),
        };
        if globs.is_empty() || globs.iter().any(String::is_empty) {
            let message = format!("cannot read the directive `firedrill: {}`", said.trim());
            problems.push_with_hint(at, message, DIRECTIVE);
            continue;
        }
        found.extend(globs.into_iter().map(|glob| (glob, at)));
    }
    found
}

/// The parts between commas; a backslash takes the next character as it is.
fn split(list: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in list.chars() {
        match (c, parts.last_mut()) {
            (',', _) if !escaped => parts.push(String::new()),
            (c, Some(part)) => part.push(c),
            (_, None) => {}
        }
        escaped = c == '\\' && !escaped;
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// Says of every receiver whether it pages.
fn pages(globs: &[Glob], config: &mut Config, problems: &mut Problems) {
    let there: Vec<String> = config.receivers.keys().cloned().collect();
    let there = format!("the receivers are {}", there.join(", "));
    if globs.is_empty() {
        let message = "it is not said which receivers page a person";
        let hint = format!("add a comment such as `# firedrill: pages = pagerduty-*`; {there}");
        problems.push_with_hint(Position { line: 1, column: 1 }, message, hint);
        return;
    }
    for (glob, at) in globs {
        let mut matched = false;
        for (name, own) in &mut config.receivers {
            if fits(glob, name) {
                own.pages = true;
                matched = true;
            }
        }
        if !matched {
            let message = format!("no receiver is called `{glob}`");
            problems.push_with_hint(*at, message, there.clone());
        }
    }
    let mut paging = config.receivers.values().filter(|own| own.pages);
    let sends = paging.any(|own| !own.integrations.is_empty());
    let is_led_to = (0..config.routes.len()).any(|route| config.reach_of(route) == Reach::Person);
    let message = match (sends, is_led_to) {
        _ if !problems.is_empty() => return,
        (false, _) => "the receivers that page have no integration: they send nothing",
        (true, false) => "no route leads to a receiver that pages",
        (true, true) => return,
    };
    problems.push_with_hint(globs[0].1, message, there);
}

/// Whether a name is as a pattern has it: `*` is any text, `?` any character, a backslash takes the next one as it is.
fn fits(glob: &str, name: &str) -> bool {
    let mut pattern = Vec::new();
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        pattern.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Is(chars.next().unwrap_or('\\')),
            c => Piece::Is(c),
        });
    }
    // Which beginnings of the pattern the name so far can be.
    let mut at: BTreeSet<usize> = [0].into();
    let skip = |at: &mut BTreeSet<usize>| {
        for (place, piece) in pattern.iter().enumerate() {
            if at.contains(&place) && *piece == Piece::Any {
                at.insert(place + 1);
            }
        }
    };
    skip(&mut at);
    for c in name.chars() {
        let mut next = BTreeSet::new();
        for place in at {
            match pattern.get(place) {
                Some(Piece::Any) => next.insert(place),
                Some(Piece::One) => next.insert(place + 1),
                Some(Piece::Is(wanted)) if *wanted == c => next.insert(place + 1),
                _ => false,
            };
        }
        at = next;
        skip(&mut at);
    }
    at.contains(&pattern.len())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Is(char),
}

#[cfg(test)]
mod tests;
