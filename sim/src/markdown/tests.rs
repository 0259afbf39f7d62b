use super::*;
use proptest::prelude::*;

const PAGE: &str = "\
---
title: Workers
---
# Workers *down*

Look at **all** of `docker ps`,
[the wiki](https://wiki.example/x) and [here](javascript:alert(1)).

1. First
   - [ ] Ack <script>alert(1)</script>
   - [x] Look

   ```bash
   # a comment
   docker ps
   ```

> - [ ] Tell the team
> ![a picture](http://elsewhere.example/p.png)

| Alert | Means |
| --- | --- |
| `WorkerDown` | nobody works |

    indented

<div onclick=\"x\">raw</div>

<!-- for us
alone -->
***
";

#[test]
fn a_page_is_what_stands_in_it_with_lines() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&read(PAGE)).unwrap());
}

#[test]
fn lines_of_code_and_spans_are_those_of_the_file() {
    let page = read(PAGE);
    let mut code = Vec::new();
    let mut spans = Vec::new();
    each(&page, &mut |block| match &block.kind {
        Kind::Code { code: text, .. } => code.push((block.line, text.clone())),
        Kind::Text { text } => spans.extend(text.clone()),
        _ => {}
    });
    let expected = [
        (2, "title: Workers\n"),
        (14, "# a comment\ndocker ps\n"),
        (25, "indented\n"),
    ];
    assert_eq!(code, expected.map(|(line, text)| (line, text.to_owned())));
    let line_of = |text: &str| spans.iter().find(|span| span.text == text).unwrap().line;
    assert_eq!((line_of("docker ps"), line_of("the wiki")), (6, 7));
    let links: Vec<_> = spans
        .iter()
        .filter_map(|span| span.link.as_deref())
        .collect();
    assert_eq!(links, ["https://wiki.example/x"]);
}

#[test]
fn what_is_deep_is_kept_and_costs_no_more() {
    let deep = format!("{} bottom\n", ">".repeat(5_000));
    let text = format!("{:?}", read(&deep));
    assert!(text.contains("bottom"), "{text:.300}");
    let deep: String = (0..200)
        .map(|depth| format!("{}- [ ] entry {depth}\n", "  ".repeat(depth)))
        .collect();
    let page = read(&deep);
    let text = serde_json::to_string(&page).unwrap();
    (0..200).for_each(|depth| assert!(text.contains(&format!("entry {depth}\"")), "{depth}"));
}

proptest! {
    #[test]
    fn any_text_is_a_page_whose_boxes_are_numbered_in_order(text in "[-*\\[\\] x>#`|<\\n\\ta1.(\\)!:/_]{0,200}") {
        let mut ticks = Vec::new();
        fn boxes(blocks: &[Block], ticks: &mut Vec<usize>) {
            each(blocks, &mut |block| {
                if let Kind::List { items, .. } = &block.kind {
                    ticks.extend(items.iter().filter_map(|item| item.tick));
                }
            });
        }
        let page = read(&text);
        boxes(&page, &mut ticks);
        ticks.sort_unstable();
        prop_assert!(ticks.iter().copied().eq(1..=ticks.len()), "{:?}", page);
        let lines = text.lines().count().max(1);
        each(&page, &mut |block| assert!((1..=lines).contains(&block.line), "{block:?}"));
    }
}
