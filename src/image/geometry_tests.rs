//! Sizes and boxes, by the examples of the language and by properties.

use proptest::prelude::*;

use super::geometry::{Area, PIXELS_MOST, Size, Target, TooLarge};
use super::spec::*;

const SOURCE: Size = Size { width: 1200, height: 800 };

fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

fn scaled(text: &str, source: Size) -> Target {
    let spec: Spec = text.parse().unwrap();
    spec.scale.unwrap().target(source, spec.force).unwrap()
}

fn area(x: u32, y: u32, width: u32, height: u32) -> Area {
    Area { x, y, size: size(width, height) }
}

#[test]
fn the_derived_checks_of_the_language() {
    for (text, width, height) in [
        ("/fw/300", 300, 200),
        ("/fh/200", 300, 200),
        ("/max/600", 600, 400),
        ("/min/400", 600, 400),
        ("/fwfh/300x300", 300, 200),
        ("/fwfh2/300x300", 450, 300),
        ("/scale/50", 600, 400),
        ("/wscale/50", 600, 800),
        ("/hscale/50", 1200, 400),
        ("/fxfn/600x300", 450, 300),
        ("/fxfn2/600x300", 600, 400),
        ("/fp/250000", 612, 408),
        ("/fw/2400", 1200, 800),
        ("/fw/2400/force/true", 2400, 1600),
        ("/scale/200", 2400, 1600),
        ("/wscale/200", 2400, 800),
        ("/hscale/200", 1200, 1600),
        ("/stretch/300x900", 300, 900),
    ] {
        let target = Target { crop: None, size: size(width, height) };
        assert_eq!(scaled(text, SOURCE), target, "{text}");
    }
    let both = scaled("/both/300x300", SOURCE);
    assert_eq!(both, Target { crop: Some(area(200, 0, 800, 800)), size: size(300, 300) });
    assert_eq!(scaled("/sq/300", SOURCE), both);
}

#[test]
fn nothing_but_force_enlarges_where_the_language_says_so() {
    let small = size(300, 200);
    for key in [
        "fw/600",
        "fh/400",
        "max/600",
        "min/400",
        "fwfh/600x600",
        "fwfh2/600x400",
        "fxfn/600x400",
        "fxfn2/600x400",
        "fp/240000",
    ] {
        assert_eq!(scaled(&format!("/{key}"), small).size, small, "{key}");
        let forced = scaled(&format!("/{key}/force/true"), small).size;
        assert_eq!(forced, size(600, 400), "{key}");
    }
}

#[test]
fn both_is_exact_and_force_stretches_what_is_too_small() {
    let cut = |text, source| scaled(text, source).crop;
    assert_eq!(cut("/both/300x200", SOURCE), None);
    assert_eq!(cut("/both/200x300", SOURCE), Some(area(333, 0, 533, 800)));
    assert_eq!(cut("/both/400x100", SOURCE), Some(area(0, 250, 1200, 300)));
    assert_eq!(cut("/both/300x300/gravity/west", SOURCE), Some(area(0, 0, 800, 800)));
    assert_eq!(cut("/both/300x300/gravity/fp:0.9x0.5", SOURCE), Some(area(400, 0, 800, 800)));
    assert_eq!(cut("/both/300x300/gravity/fp:0.4x0.5", SOURCE), Some(area(80, 0, 800, 800)));
    assert_eq!(cut("/both/300x300/force/true", SOURCE), Some(area(200, 0, 800, 800)));
    let small = size(100, 50);
    assert_eq!(
        scaled("/both/300x300", small),
        Target { crop: Some(area(25, 0, 50, 50)), size: size(300, 300) }
    );
    assert_eq!(
        scaled("/both/300x300/force/true", small),
        Target { crop: None, size: size(300, 300) }
    );
}

#[test]
fn crops_start_where_their_gravity_says() {
    let cut = |text: &str| {
        let spec: Spec = text.parse().unwrap();
        spec.crop.unwrap().area(SOURCE)
    };
    for (text, expected) in [
        ("/crop/300x200", area(0, 0, 300, 200)),
        ("/crop/300x200a10a20", area(10, 20, 300, 200)),
        ("/crop/300x200/gravity/north", area(450, 0, 300, 200)),
        ("/crop/300x200/gravity/center", area(450, 300, 300, 200)),
        ("/crop/300x200s10a20/gravity/center", area(440, 320, 300, 200)),
        ("/crop/300x200s10s20/gravity/southeast", area(890, 580, 300, 200)),
        ("/crop/300x200/gravity/fp:0.5x1", area(450, 600, 300, 200)),
        // What is left.
        ("/crop/0x0a100a50", area(100, 50, 1100, 750)),
        ("/crop/0x200a100a0", area(100, 0, 1100, 200)),
        ("/crop/0x0s100s50/gravity/southeast", area(0, 0, 1100, 750)),
        // Cut at the edge; nothing is padded.
        ("/crop/5000x5000", area(0, 0, 1200, 800)),
        ("/crop/300x200a1100a700", area(1100, 700, 100, 100)),
        ("/crop/5000x300/gravity/center", area(0, 250, 1200, 300)),
        // An origin outside is 0,0.
        ("/crop/300x200s10a20", area(0, 0, 300, 200)),
        ("/crop/300x200a1200a20", area(0, 0, 300, 200)),
        ("/crop/0x0a5000a0", area(0, 0, 1, 800)),
    ] {
        assert_eq!(cut(text), expected, "{text}");
    }
}

#[test]
fn limits() {
    assert_eq!(Size::checked(20_000, 10_000, 1), Ok(size(20_000, 10_000)));
    assert_eq!(Size::checked(20_001, 1, 1), Err(TooLarge::Width(20_001)));
    assert_eq!(Size::checked(1, 20_001, 1), Err(TooLarge::Height(20_001)));
    assert_eq!(Size::checked(20_000, 10_001, 1), Err(TooLarge::Pixels(200_020_000)));
    assert_eq!(Size::checked(2000, 1000, 101), Err(TooLarge::Pixels(202_000_000)));
    assert_eq!(Size::checked(1, 1, u64::MAX), Err(TooLarge::Pixels(u64::MAX)));
    let tall = size(10, 20_000);
    assert_eq!(Scale::Width(20).target(tall, true), Err(TooLarge::Height(40_000)));
    assert_eq!(
        Scale::Percent(1000).target(SOURCE, false).map(|it| it.size),
        Ok(size(12_000, 8000))
    );
    assert_eq!(
        Scale::Stretch { width: 20_000, height: 20_000 }.target(SOURCE, false),
        Err(TooLarge::Pixels(400_000_000))
    );
    assert_eq!(Scale::Percent(1).target(size(3, 2), false).map(|it| it.size), Ok(size(1, 1)));
}

#[test]
fn turns_frames_and_canvases() {
    assert_eq!(SOURCE.turned(90), Ok(size(800, 1200)));
    assert_eq!(SOURCE.turned(180), Ok(SOURCE));
    assert_eq!(size(100, 100).turned(45), Ok(size(141, 141)));
    assert_eq!(size(100, 50).turned(30), Ok(size(112, 93)));
    let frame = Frame { width: 3, height: 2, colour: Colour::WHITE };
    assert_eq!(frame.around(SOURCE), Ok(size(1206, 804)));
    assert_eq!(frame.around(size(20_000, 5)), Err(TooLarge::Width(20_006)));
    let canvas = Canvas { width: 1300, height: 700, at: None, colour: Colour::WHITE };
    assert_eq!(canvas.size(), Ok(size(1300, 700)));
    assert_eq!(canvas.place(SOURCE), (50, -50));
    assert_eq!(Canvas { at: Some((-5, 7)), ..canvas }.place(SOURCE), (-5, 7));
}

#[test]
fn marks_lie_at_their_margin() {
    let text = |align: &str| {
        let spec: Spec = format!("/watermark/text/YQ/margin/30x10/align/{align}").parse().unwrap();
        spec.marks[0].place(SOURCE, size(200, 100))
    };
    for (align, place) in [
        ("northwest", (30, 10)),
        ("north", (530, 10)),
        ("northeast", (970, 10)),
        ("west", (30, 360)),
        ("center", (530, 360)),
        ("east", (970, 360)),
        ("southwest", (30, 690)),
        ("south", (530, 690)),
        ("southeast", (970, 690)),
    ] {
        assert_eq!(text(align), place, "{align}");
    }
    assert!(Mark::fits(SOURCE, size(600, 400)));
    assert!(!Mark::fits(SOURCE, size(601, 10)));
    assert!(!Mark::fits(SOURCE, size(10, 401)));
    assert_eq!(Mark::by_percent(SOURCE, size(200, 100), 25), size(200, 100));
    assert_eq!(Mark::by_percent(SOURCE, size(100, 300), 10), size(27, 80));
    assert_eq!(Mark::by_percent(SOURCE, size(40, 20), 100), size(800, 400));
}

fn any_scale() -> impl Strategy<Value = Scale> {
    let side = || 1..=SIDE_MOST;
    let center = Gravity::At(Position::Center);
    prop_oneof![
        side().prop_map(Scale::Width),
        side().prop_map(Scale::Height),
        side().prop_map(Scale::Longest),
        side().prop_map(Scale::Shortest),
        (side(), side()).prop_map(|(width, height)| Scale::Fit { width, height }),
        (side(), side()).prop_map(|(width, height)| Scale::Cover { width, height }),
        (side(), side()).prop_map(move |(width, height)| Scale::Exact {
            width,
            height,
            gravity: center
        }),
        (1..=PERCENT_MOST).prop_map(Scale::Percent),
        (1..=AREA_MOST).prop_map(Scale::Area),
    ]
}

fn any_gravity() -> impl Strategy<Value = Gravity> {
    prop_oneof![
        Just(Gravity::Auto),
        Just(Gravity::At(Position::NorthWest)),
        Just(Gravity::At(Position::SouthEast)),
        (0..=FOCUS_WHOLE, 0..=FOCUS_WHOLE).prop_map(|(x, y)| Gravity::Focus { x, y }),
    ]
}

fn any_size() -> impl Strategy<Value = Size> {
    (1..=SIDE_MOST, 1..=SIDE_MOST).prop_map(|(width, height)| size(width, height))
}

fn inside(area: Area, whole: Size) -> bool {
    area.size.width > 0
        && area.size.height > 0
        && area.x + area.size.width <= whole.width
        && area.y + area.size.height <= whole.height
}

proptest! {
    #[test]
    fn targets_keep_to_the_limits(scale in any_scale(), source in any_size(), force: bool) {
        match scale.target(source, force) {
            Ok(target) => {
                prop_assert!(target.size.width <= SIDE_MOST && target.size.height <= SIDE_MOST);
                prop_assert!(target.crop.is_none_or(|it| inside(it, source)));
                if let Scale::Area(most) = scale {
                    prop_assert!(target.size.pixels() <= most.into());
                }
                let enlarges = target.size.width > source.width;
                let may = force || matches!(scale, Scale::Percent(_) | Scale::Exact { .. });
                prop_assert!(may || !enlarges);
            }
            Err(TooLarge::Pixels(pixels)) => prop_assert!(pixels > PIXELS_MOST),
            Err(TooLarge::Width(side) | TooLarge::Height(side)) => {
                prop_assert!(side > SIDE_MOST.into());
            }
        }
    }

    #[test]
    fn crops_lie_inside(
        source in any_size(),
        width in proptest::option::of(1..=SIDE_MOST),
        height in proptest::option::of(1..=SIDE_MOST),
        x in -20_000..=20_000i32,
        y in -20_000..=20_000i32,
        gravity in any_gravity(),
    ) {
        let crop = Crop { width, height, x, y, gravity };
        prop_assert!(inside(crop.area(source), source));
    }
}
