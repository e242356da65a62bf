#!/usr/bin/env python3
"""What an image costs with brink and with sharp, on this machine, in one run.

Both run warm in a process each, pinned to the same core, one thread, and take turns: brink, sharp,
brink, sharp. A cell is the lowest of the rounds' medians of processor time (user and system).

    benches/images/run.py                     everything, three rounds
    benches/images/run.py --rounds 1 --only webp
    benches/images/run.py --photos DIR        large JPEG files beside the photographs in ../shared

sharp is installed from npm under target/; it and Node are the only things that are needed beside
Rust. Prints the table for benches/README.md; progress goes to standard error. Take it on a quiet
machine: other work on the core moves single cells by a fifth.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORK = ROOT / "target" / "images"
KODAK = ROOT.parent / "shared" / "data" / "images"
SHARP = "sharp@0.35"
RUNS = 9


class Side:
    """A process that carries out jobs."""

    def __init__(self, core, *command):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a side has died of {job}")
        return json.loads(line)


def main():
    options = arguments()
    WORK.mkdir(parents=True, exist_ok=True)
    build()
    ours = Side(options.core, ROOT / "target/release/examples/images")
    theirs = Side(options.core, "node", HERE / "sharp.mjs", WORK / "index.js")
    rows = []
    for name, source, spec, steps, more in tasks(ours, options):
        if options.only and options.only not in name:
            continue
        print(name, file=sys.stderr)
        rows.append(row(ours, theirs, name, source, spec, steps, more, options.rounds))
    print("| task | sharp ms | brink ms | ratio | on a miss ms | ratio | bytes sharp / brink / miss "
          "| score sharp / brink / miss |")
    print("|---|---|---|---|---|---|---|---|")
    for line in rows:
        print(line)


def row(ours, theirs, name, source, spec, steps, more, rounds):
    """One task: sharp, brink with the same settings, brink with what it does while a client waits."""
    cells = {"sharp": [], "same": [], "miss": []}
    answers = {}
    for _ in range(rounds):
        for cell in cells:
            output = str(WORK / f"{cell}.out")
            job = {"source": str(source), "runs": RUNS, "output": output, **more}
            if cell == "sharp":
                answer = theirs.do(steps=steps, **job)
            else:
                # libwebp's default is what brink does behind its answers; JPEG is the same either way.
                same = cell == "same" and spec.endswith("webp")
                answer = ours.do(spec=spec, thorough=same, **job)
            cells[cell].append(statistics.median(answer["ms"]))
            answers[cell] = answer
    best = {cell: min(times) for cell, times in cells.items()}
    scores = {cell: scored(ours, cell, source, spec, more) for cell in cells}
    return (f"| {name} | {best['sharp']:.1f} | {best['same']:.1f} | {best['sharp'] / best['same']:.2f} "
            f"| {best['miss']:.1f} | {best['sharp'] / best['miss']:.2f} "
            f"| {' / '.join(str(answers[cell]['bytes']) for cell in cells)} "
            f"| {' / '.join(scores[cell] for cell in cells)} |")


def scored(ours, cell, source, spec, more):
    """Against the same picture without loss, made from all of the source's pixels by brink."""
    if more.get("animated"):
        return "-"
    reference = str(WORK / "reference.png")
    whole = str(WORK / "whole.png")
    # A PNG is decoded in full, a JPEG perhaps not.
    ours.do(source=str(source), spec="/format/png", runs=1, output=whole)
    plain = spec.split("/format/")[0] + "/format/png"
    ours.do(source=whole, spec=plain, runs=1, output=reference, **more)
    score = ours.do(score=str(WORK / f"{cell}.out"), reference=reference)["score"]
    return "-" if score is None else f"{score:.1f}"


def tasks(ours, options):
    """Name, source, parameters, the steps of sharp, more of the job."""
    webp = ["webp", {"quality": 75}]
    jpeg = ["jpeg", {"quality": 80, "mozjpeg": False, "optimiseCoding": True}]
    jpegs = []
    for name in ("kodim05", "kodim13", "kodim23"):
        path = WORK / f"{name}.jpg"
        ours.do(source=str(KODAK / f"{name}.png"), spec="/quality/90/format/jpg", runs=1, output=str(path))
        jpegs.append(path)
    photos = sorted(Path(options.photos).glob("*.jp*g")) if options.photos else []
    for photo in photos:
        yield (f"{photo.stem} to 800 webp", photo, "/fw/800/quality/75/format/webp",
               [["resize", {"width": 800}], webp], {})
        yield (f"{photo.stem} to 800 jpeg", photo, "/fw/800/quality/80/format/jpg",
               [["resize", {"width": 800}], jpeg], {})
    for photo in jpegs:
        yield (f"{photo.stem} cover 300 webp", photo, "/both/300x300/quality/75/format/webp",
               [["resize", {"width": 300, "height": 300, "fit": "cover"}], webp], {})
        yield f"{photo.stem} jpeg to webp", photo, "/quality/75/format/webp", [webp], {}
    source = KODAK / "kodim13.png"
    yield "kodim13 png to webp", source, "/quality/75/format/webp", [webp], {}
    alpha = WORK / "alpha.png"
    ours.do(source=str(KODAK / "kodim23.png"), spec="/roundrect/200/format/png", runs=1, output=str(alpha))
    yield ("alpha png to 400 webp", alpha, "/fw/400/quality/75/format/webp",
           [["resize", {"width": 400}], webp], {})
    mark = WORK / "mark.png"
    spec = "/both/240x80/roundrect/30/format/png"
    ours.do(source=str(KODAK / "kodim05.png"), spec=spec, runs=1, output=str(mark))
    yield ("watermark jpeg", jpegs[2],
           "/watermark/url/L20ucG5n/align/southeast/margin/0x0/quality/80/format/jpg",
           [["mark", {"gravity": "southeast"}], jpeg], {"mark": str(mark)})
    if options.gif:
        yield ("gif to half, animated webp", options.gif, "/scale/50/quality/75/format/webp",
               [["resize", {"width": options.gif_width // 2}], webp], {"animated": True})


def build(*more):
    subprocess.run(["cargo", "build", "--release", "--locked", "--example", "images", *more], cwd=ROOT,
                   check=True)
    if not (WORK / "node_modules" / "sharp").exists():
        subprocess.run(["npm", "install", "--prefix", WORK, "--no-save", "--no-package-lock",
                        "--no-audit", "--no-fund", "--loglevel=error", SHARP], check=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--only", help="tasks whose name has this in it")
    parser.add_argument("--photos", help="a folder of large JPEG files")
    parser.add_argument("--gif", help="a file that moves")
    parser.add_argument("--gif-width", type=int, default=402)
    return parser.parse_args()


if __name__ == "__main__":
    main()
