use super::*;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Every kind of stroke, and a text that is not ours.
fn drawn(text: &str) -> Picture {
    let mut picture = Picture::new("a <b> & c", 200, 80);
    let root = Canvas(&mut picture).into_drawing_area();
    let red = RGBColor(200, 40, 40);
    root.draw(&Rectangle::new([(10, 10), (40, 30)], red.mix(0.5).filled()))
        .unwrap();
    root.draw(&Rectangle::new([(50, 10), (80, 30)], BLUE.stroke_width(2)))
        .unwrap();
    root.draw(&Circle::new((100, 20), 8, GREEN.filled()))
        .unwrap();
    root.draw(&Polygon::new([(120, 10), (140, 10), (130, 30)], red))
        .unwrap();
    root.draw(&PathElement::new(
        [(150, 10), (160, 30), (190, 10)],
        red.stroke_width(3),
    ))
    .unwrap();
    let style = ("sans-serif", 14).into_text_style(&root);
    root.draw_text(text, &style, (10, 50)).unwrap();
    let right = style.pos(Pos::new(HPos::Right, VPos::Center));
    root.draw_text("right", &right, (190, 60)).unwrap();
    drop(root);
    picture
}

/// The pixels of a PNG: width, height, and three bytes each.
fn pixels(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    (info.width, info.height, bytes)
}

/// How many of the picture's pixels between two corners are not white.
fn inked(picture: &Picture, (left, top): (u32, u32), (right, bottom): (u32, u32)) -> usize {
    let (width, _, bytes) = pixels(&picture.png().unwrap());
    let rows = top * 2..bottom * 2;
    let places =
        rows.flat_map(|y| (left * 2..right * 2).map(move |x| ((y * width + x) * 3) as usize));
    places.filter(|at| bytes[*at..at + 3] != [255; 3]).count()
}

#[test]
fn one_picture_is_on_a_page_and_in_files() {
    let picture = drawn("JobQueueBacklog");
    insta::assert_snapshot!(picture.svg());
    let inline = picture.inline_svg("desk");
    assert!(
        inline.contains("fill=\"currentColor\"") && !inline.contains("http"),
        "{inline}"
    );
    let (width, height, bytes) = pixels(&picture.png().unwrap());
    assert_eq!((width, height), (400, 160));
    let at = |x: u32, y: u32| {
        let place = ((y * 2 * width + x * 2) * 3) as usize;
        [bytes[place], bytes[place + 1], bytes[place + 2]]
    };
    // Half of a red on white, the inside of a frame, a circle's middle.
    assert_eq!(at(20, 20), [227, 147, 147]);
    assert_eq!((at(65, 20), at(100, 20)), ([255; 3], [0, 255, 0]));
    assert_eq!(picture.png().unwrap(), picture.png().unwrap());
}

#[test]
fn letters_are_drawn_where_they_stand() {
    let blank = drawn("");
    let text = drawn("MMMM");
    let area = |picture| inked(picture, (8, 46), (60, 64));
    assert_eq!(area(&blank), 0);
    assert!(area(&text) > 200, "{}", area(&text));
    // A text that ends at its anchor goes no further.
    assert!(inked(&blank, (160, 50), (190, 70)) > 60);
    assert_eq!(inked(&blank, (191, 50), (200, 70)), 0);
}

#[test]
fn text_of_others_is_text() {
    let picture = drawn("<script>alert(1)</script>\u{1b}[31m & \u{1f525} \u{0416}");
    for svg in [picture.svg(), picture.inline_svg("desk")] {
        assert!(!svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
        assert!(
            svg.contains("&lt;script&gt;") && svg.contains("<title>a &lt;b&gt; &amp; c</title>"),
            "{svg}"
        );
    }
    assert!(inked(&picture, (8, 46), (150, 64)) > 200);
}

#[test]
fn what_has_no_pixels_or_too_many_is_no_file() {
    for (width, height) in [(0, 10), (u32::MAX, 10), (1 << 20, 1 << 20)] {
        let error = Picture::new("", width, height).png().unwrap_err();
        assert!(matches!(error, PngError::Size { .. }), "{error}");
    }
}

#[test]
fn a_path_is_kept_by_its_turns_and_written_from_point_to_point() {
    let mut picture = Picture::new("path", 100, 100);
    let root = Canvas(&mut picture).into_drawing_area();
    // Right, on to the right, down, back over the same way, and a point twice.
    let path = [
        (0, 50),
        (10, 50),
        (20, 50),
        (20, 60),
        (20, 40),
        (20, 40),
        (30, 30),
        (50, 10),
    ];
    root.draw(&PathElement::new(path, BLACK)).unwrap();
    drop(root);
    let svg = picture.svg();
    assert!(svg.contains(r#" d="M0 50l20 0 0 10 0-20 30-30""#), "{svg}");
}
