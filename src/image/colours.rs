//! Theme colours: the few colours that stand for a picture, by weight.

use serde_json::Value as Json;

use super::raster::Raster;

/// Colours that differ only in their lower bits are one.
const SHIFT: u8 = 3;
const LEVELS: usize = 1 << (8 - SHIFT);

/// Pixels of nearly the same colour.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    count: u64,
    sums: [u64; 3],
}

impl Cell {
    fn add(&mut self, other: &Cell) {
        self.count += other.count;
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum += more;
        }
    }

    fn mean(&self) -> [u8; 3] {
        self.sums.map(|sum| ((sum + self.count / 2) / self.count.max(1)) as u8)
    }
}

/// At most `count` colours, the one with most pixels first. Invisible pixels do not count.
pub fn theme(raster: &Raster, count: u16) -> Vec<[u8; 3]> {
    let mut boxes = vec![cells(raster)];
    if boxes.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    while boxes.len() < usize::from(count) {
        // The box whose cut gains most: many pixels, far apart.
        let gain = |cells: &Vec<Cell>| {
            let (_, span) = widest(cells);
            cells.iter().map(|it| it.count).sum::<u64>() * u64::from(span)
        };
        let largest = boxes.iter().enumerate().max_by_key(|(_, cells)| gain(cells));
        let Some(index) = largest.filter(|(_, cells)| gain(cells) > 0).map(|(index, _)| index)
        else {
            break;
        };
        let (low, high) = halved(boxes.swap_remove(index));
        boxes.extend([low, high]);
    }
    let mut colours: Vec<Cell> = boxes
        .iter()
        .map(|cells| {
            let mut whole = Cell::default();
            cells.iter().for_each(|it| whole.add(it));
            whole
        })
        .collect();
    colours.sort_by_key(|it| (std::cmp::Reverse(it.count), it.mean()));
    colours.iter().map(Cell::mean).collect()
}

/// Theme colours as clients read them: texts like `"0xRRGGBB"`, else numbers.
pub fn answer(colours: &[[u8; 3]], hex: bool) -> Json {
    let one = |&[red, green, blue]: &[u8; 3]| {
        let number = u32::from_be_bytes([0, red, green, blue]);
        if hex { Json::from(format!("0x{number:06X}")) } else { Json::from(number) }
    };
    colours.iter().map(one).collect()
}

fn cells(raster: &Raster) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); LEVELS.pow(3)];
    for pixel in raster.each() {
        let &[red, green, blue, ref alpha @ ..] = pixel else { continue };
        if alpha.first().is_some_and(|&it| it < 128) {
            continue;
        }
        let level = |it: u8| usize::from(it >> SHIFT);
        let at = (level(red) * LEVELS + level(green)) * LEVELS + level(blue);
        if let Some(cell) = cells.get_mut(at) {
            cell.add(&Cell { count: 1, sums: [red, green, blue].map(u64::from) });
        }
    }
    cells.retain(|it| it.count > 0);
    cells
}

/// The channel in which a box's colours lie farthest apart, and how far.
fn widest(cells: &[Cell]) -> (usize, u8) {
    let mut low = [u8::MAX; 3];
    let mut high = [0; 3];
    for cell in cells {
        for ((low, high), value) in low.iter_mut().zip(&mut high).zip(cell.mean()) {
            *low = value.min(*low);
            *high = value.max(*high);
        }
    }
    let spans = high.into_iter().zip(low).map(|(high, low)| high.saturating_sub(low));
    spans.enumerate().max_by_key(|&(_, span)| span).unwrap_or_default()
}

/// Cuts a box where half of its pixels lie on either side.
fn halved(mut cells: Vec<Cell>) -> (Vec<Cell>, Vec<Cell>) {
    let (channel, _) = widest(&cells);
    cells.sort_by_key(|it| it.mean().get(channel).copied());
    let whole: u64 = cells.iter().map(|it| it.count).sum();
    let mut before = 0;
    let cut = cells.iter().position(|it| {
        before += it.count;
        before * 2 >= whole
    });
    let cut = (cut.unwrap_or_default() + 1).min(cells.len().saturating_sub(1)).max(1);
    let high = cells.split_off(cut.min(cells.len()));
    (cells, high)
}

#[cfg(test)]
mod tests {
    use super::super::raster::Channels;
    use super::*;
    use serde_json::json;

    fn stripes(colours: &[([u8; 4], usize)]) -> Raster {
        let pixels: Vec<u8> =
            colours.iter().flat_map(|(colour, count)| colour.repeat(*count)).collect();
        Raster::new((pixels.len() / 4) as u32, 1, Channels::Rgba, pixels).unwrap()
    }

    #[test]
    fn colours_come_by_weight() {
        let raster = stripes(&[
            ([0, 0, 255, 255], 20),
            ([255, 0, 0, 255], 70),
            ([0, 255, 0, 255], 10),
            ([255, 255, 255, 0], 500),
        ]);
        let expected = [[255, 0, 0], [0, 0, 255], [0, 255, 0]];
        assert_eq!(theme(&raster, 3), expected);
        assert_eq!(theme(&raster, 4096), expected);
        assert_eq!(theme(&raster, 1).len(), 1);
    }

    #[test]
    fn near_colours_are_one() {
        let raster = stripes(&[([8, 8, 8, 255], 10), ([10, 8, 8, 255], 10), ([200, 8, 8, 255], 5)]);
        assert_eq!(theme(&raster, 2), [[9, 8, 8], [200, 8, 8]]);
    }

    #[test]
    fn nothing_visible_has_no_colours() {
        assert!(theme(&Raster::filled(3, 3, [1, 2, 3, 0]), 5).is_empty());
    }

    #[test]
    fn numbers_and_texts() {
        let colours = [[0x12, 0x34, 0x56], [0, 0, 0xff]];
        assert_eq!(answer(&colours, false), json!([0x12_3456, 255]));
        assert_eq!(answer(&colours, true), json!(["0x123456", "0x0000FF"]));
    }
}
