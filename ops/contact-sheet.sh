#!/usr/bin/env bash
# Makes a contact sheet of what can be asked of a picture: one cell for each operation, its parameters
# below. Everything on it, the sheet itself included, is made by `brink image`.
#
#   ops/contact-sheet.sh PHOTOGRAPH [OUT]      a picture of 768x512 pixels; OUT: src/image/contact-sheet.webp
#
# BRINK says which program to use; otherwise the debug build is made and used.

set -euo pipefail
photograph=$(realpath "${1:?which photograph? It has 768x512 pixels}")
cd "$(dirname "$0")/.."
out=${2:-src/image/contact-sheet.webp}
if [ -z "${BRINK:-}" ]; then
    cargo build --locked --bin brink
    BRINK=${CARGO_TARGET_DIR:-target}/debug/brink
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

columns=5 width=256 height=198 edge=8
coded() { printf '%s' "$1" | base64 -w0 | tr / '|'; }
make() { "$BRINK" image "$1" "$2" --marks "$work" -o "${@:3}"; }

# What is worked on: the photograph, a smaller one, one that lies on its side and says so, and a mark.
cp "$photograph" "$work/large"
make "$work/large" /fw/240/format/png "$work/small"
make "$work/large" /fw/120/format/png "$work/tiny"
make "$work/large" /fw/150/rotate/270/format/jpg "$work/upright.jpg"
{
    printf '\xff\xd8\xff\xe1\x00\x22Exif\0\0MM\x00\x2a\0\0\0\x08\0\x01'
    printf '\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    tail -c +3 "$work/upright.jpg"
} >"$work/turned"
make "$work/large" /crop/180x180a400a140/fw/80/roundrect/40/format/png "$work/mark.png"

mark=/watermark/url/$(coded /mark.png)
text=/watermark/text
# Lines of: what is worked on, parameters, and the caption where it is not the parameters.
cells="
large /fw/240
large /fh/120
large /max/200
large /min/120
large /fwfh/200x100
large /fwfh2/200x100
large /both/200x150
large /sq/150
large /stretch/240x80
large /scale/25
small /wscale/50
small /hscale/50
large /fxfn/160x100
large /fxfn2/160x120
large /fp/20000
tiny /sq/150
tiny /sq/150/force/true
large /fw/120/dpr/2
large /crop/240x160a440a120
large /crop/240x160/gravity/southeast
large /fw/480/clip/200x150s40s20/gravity/center
large /sq/150/gravity/west
large /sq/150/gravity/auto
large /sq/150/gravity/fp:0.9x0.5
large /fw/240/roundrect/30
large /fw/130/rotate/30
large /fw/160/rotate/90
turned /fh/150
turned /fw/150/rotate/auto
large /fw/240/flip/left,right
large /fw/240/flip/top,down
large /fw/240/flip/both
large /fw/240/unsharp/true
large /fw/240/gaussblur/0x4
large /fw/210/border/12x8/brdcolor/0B6B57
large /fw/160/canvas/230x150/cvscolor/CCCCCC
large /fw/160/canvas/230x150a60a40/cvscolor/FFAA00
large /fw/240/gdori/bottom,up
large /fw/240/gdori/left,right/gdpos/40,200/gdstartcolor/0B6B57/gdstopcolor/0B6B57FF
large /fw/240$mark/align/southeast/percent/40/margin/5x5 /fw/240/watermark/url/…/align/southeast/percent/40
large /fw/240$mark/percent/60/opacity/40/align/center /fw/240/watermark/url/…/percent/60/opacity/40
large /fw/240$mark/percent/20/repeat/true/margin/8x8 /fw/240/watermark/url/…/percent/20/repeat/true
large /fw/240$text/$(coded 'A photograph')/size/18/color/FFFFFF/align/south /fw/240/watermark/text/…/size/18/color/FFFFFF/align/south
large /fw/240$text/$(coded '金刚鹦鹉')/size/28/color/FFD54A/border/000000 /fw/240/watermark/text/…/size/28/color/FFD54A/border/000000
large /fw/240$text/$(coded 'مرحبا')/size/36/color/FFFFFF/align/center/opacity/70 /fw/240/watermark/text/…/opacity/70
large /fw/240/format/jpg/quality/5
large /fw/240/format/webp/quality/1
large /fw/240/format/webp/quality/auto
large /fw/240/format/jpg/progressive/true/compress/true
large /fw/130/roundrect/20/rotate/15/border/6x6/brdcolor/0B6B57/canvas/230x155/cvscolor/CCCCCC /fw/130/roundrect/20/rotate/15/border/6x6/canvas/230x155/cvscolor/CCCCCC
"

number=$(grep -c . <<<"$cells")
rows=$(((number + columns - 1) / columns))
sheet=$work/sheet.png
# A white sheet; the pixel that it begins with lies below the first cell.
make "$work/large" "/fw/1/canvas/$((columns * width + edge))x$((rows * height + edge))a20a20/format/png" "$sheet"
marks=
lay() {
    [ -z "$marks" ] || { make "$sheet" "$marks/format/png" "$work/next.png" && mv "$work/next.png" "$sheet"; }
    marks=
}
at=0
while read -r source spec caption; do
    [ -n "$source" ] || continue
    name=cell$at
    make "$work/$source" "$spec" "$work/$name"
    x=$((edge + at % columns * width)) y=$((edge + at / columns * height))
    caption=${caption:-$spec}
    # Long ones go on in a second line.
    first=${caption:0:38} second=${caption:38}
    marks+=/watermark/url/$(coded "/$name")/margin/${x}x$y
    marks+=$text/$(coded "$first")/font/arial/size/11/margin/${x}x$((y + 162))
    [ -z "$second" ] || marks+=$text/$(coded "$second")/font/arial/size/11/margin/${x}x$((y + 175))
    at=$((at + 1))
    # Three marks a cell, ten at once.
    [ $((at % 3)) -ne 0 ] || lay
done <<<"$cells"
lay
make "$sheet" /format/webp/quality/30 "$out" --thorough
echo "$out: $at cells, $(stat -c %s "$out") bytes"
