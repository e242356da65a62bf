//! Drawings that mean harm.

use std::fmt::Write as _;

const OPEN: &str =
    "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'";

fn drawing(width: u32, height: u32, body: &str) -> Vec<u8> {
    format!("{OPEN} width='{width}' height='{height}'>{body}</svg>").into_bytes()
}

/// All of them.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    [of_much_text(), of_much_paint()].concat()
}

fn many(count: usize, text: &str) -> String {
    text.repeat(count)
}

/// What is hard to read.
fn of_much_text() -> Vec<(&'static str, Vec<u8>)> {
    let path = (0..90_000u64).fold(String::new(), |mut text, it| {
        let _ = write!(text, "L{} {}", it * 7919 % 2000, it * 104_729 % 2000);
        text
    });
    vec![
        ("svg of entities", entities()),
        ("svg that uses itself ten times, eleven deep", growth()),
        (
            "svg that refers elsewhere",
            drawing(
                100,
                100,
                "<image href='file:///etc/passwd' width='9' height='9'/><image \
                 xlink:href='http://127.0.0.1:1/x.png' width='9' height='9'/><use \
                 href='http://127.0.0.1:1/x.svg#a'/><style>@import url('http://127.0.0.1:1/')</style>",
            ),
        ),
        ("svg of 100000 groups", drawing(9, 9, &(many(100_000, "<g>") + &many(100_000, "</g>")))),
        ("svg of 10^9 pixels a side", drawing(1_000_000_000, 1_000_000_000, "<rect/>")),
        (
            "svg with a long path",
            drawing(
                2000,
                2000,
                &format!("<path d='M0 0{path}' stroke='red' stroke-dasharray='1 1'/>"),
            ),
        ),
        ("svg of letters", drawing(900, 900, &format!("<text>{}</text>", many(90_000, "a中")))),
        (
            "svg of as many letters as may be",
            drawing(900, 900, &many(9, &format!("<text>{}</text>", many(2500, "a中")))),
        ),
        ("svg of as many texts as may be", drawing(900, 900, &many(7000, "<text>a中</text>"))),
        (
            "svg that uses its letters again",
            drawing(
                900,
                900,
                &format!(
                    "<text id='t'>{}</text>{}",
                    many(2500, "a中"),
                    many(20_000, "<use href='#t'/>")
                ),
            ),
        ),
        ("svg that is not closed", half(drawing(9, 9, &many(900, "<rect width='1' height='1'/>")))),
        ("svgz of nothing", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xec\xc1\x01\x0d\0\0\0\xc2".to_vec()),
    ]
}

/// What is hard to draw.
fn of_much_paint() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "svg with a huge blur",
            drawing(
                9000,
                9000,
                "<filter id='f'><feGaussianBlur stdDeviation='5000'/></filter><rect width='9000' \
                 height='9000' filter='url(#f)'/>",
            ),
        ),
        (
            "svg with a hundred filters",
            drawing(
                4000,
                4000,
                &format!(
                    "<filter id='f'>{}</filter><rect width='4000' height='4000' filter='url(#f)'/>",
                    many(100, "<feGaussianBlur stdDeviation='90'/>")
                ),
            ),
        ),
        (
            "svg of noise",
            drawing(
                9000,
                9000,
                "<filter id='f'><feTurbulence baseFrequency='.9' numOctaves='1000'/></filter><rect \
                 width='9000' height='9000' filter='url(#f)'/>",
            ),
        ),
        (
            "svg with patterns in patterns",
            drawing(
                3000,
                3000,
                "<pattern id='a' width='1' height='1' patternUnits='userSpaceOnUse'><rect \
                 width='.5' height='.5'/></pattern><pattern id='b' width='2' height='2' \
                 patternUnits='userSpaceOnUse'><rect width='2' height='2' \
                 fill='url(#a)'/></pattern><rect width='3000' height='3000' fill='url(#b)'/>",
            ),
        ),
        (
            "svg with masks on masks",
            drawing(
                4000,
                4000,
                &(many(200, "<g opacity='.9' style='isolation:isolate'>")
                    + "<rect width='4000' height='4000'/>"
                    + &many(200, "</g>")),
            ),
        ),
    ]
}

fn half(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn entities() -> Vec<u8> {
    let laughs: String = (1..12)
        .map(|it| format!("<!ENTITY l{it} '{}'>", format!("&l{};", it - 1).repeat(12)))
        .collect();
    format!(
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY l0 'ha'>{laughs}]>{OPEN} width='9' \
         height='9'><text>&l11;</text></svg>"
    )
    .into_bytes()
}

fn growth() -> Vec<u8> {
    let uses: String = (1..12)
        .map(|it| format!("<g id='g{it}'>{}</g>", format!("<use href='#g{}'/>", it - 1).repeat(10)))
        .collect();
    let body = format!("<g id='g0'><rect width='1' height='1'/></g>{uses}<use href='#g11'/>");
    drawing(9, 9, &body)
}
