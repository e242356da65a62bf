#!/usr/bin/env python3
"""What AVIF costs and saves beside WebP of quality 75, at the same score.

For each photograph, the AVIF quality whose score is that of the WebP is looked for; bytes are
interpolated between the two nearest. Scores are SSIMULACRA2 against the photograph. brink does not
read AVIF, so sharp does; both come as in run.py. Builds brink with its feature `avif`, which needs
cmake and nasm.

    benches/images/avif.py
"""

import statistics
import subprocess

from run import KODAK, ROOT, WORK, Side, build

DECODE = "require(process.argv[1])(process.argv[2]).png().toFile(process.argv[3])"
RUNS = 3


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    build("--features", "avif")
    ours = Side(1, ROOT / "target/release/examples/images")
    shares, times = [], []
    print("| photograph | WebP bytes | score | ms | AVIF quality | bytes at that score | share | ms |")
    print("|---|---|---|---|---|---|---|---|")
    for photo in sorted(KODAK.glob("kodim*.png")):
        webp = made(ours, photo, "webp", 75)
        quality, size, time = search(ours, photo, webp["score"])
        shares.append(size / webp["bytes"])
        times.append(time)
        print(f"| {photo.stem} | {webp['bytes']} | {webp['score']:.1f} | {webp['ms']:.0f} | {quality} "
              f"| {size:.0f} | {shares[-1]:.3f} | {time:.0f} |", flush=True)
    print(f"| mean | | | | | | {statistics.mean(shares):.3f} | {statistics.mean(times):.0f} |")


def search(ours, photo, score):
    """The lowest quality that reaches the score, the bytes at the score itself, and the time."""
    low, high, below = 20, 95, None
    above = None
    while high - low > 1:
        quality = (low + high) // 2
        found = made(ours, photo, "avif", quality)
        if found["score"] >= score:
            high, above = quality, found
        else:
            low, below = quality, found
    if above is None or below is None:
        raise SystemExit(f"{photo.stem}: no quality has the score {score}")
    part = (score - below["score"]) / (above["score"] - below["score"])
    return high, below["bytes"] + part * (above["bytes"] - below["bytes"]), above["ms"]


def made(ours, photo, form, quality):
    output = WORK / f"avif.{form}"
    answer = ours.do(source=str(photo), spec=f"/quality/{quality}/format/{form}", thorough=True,
                     runs=RUNS, output=str(output))
    shown = WORK / "avif.png"
    sharp = WORK / "node_modules" / "sharp"
    subprocess.run(["node", "-e", DECODE, sharp, output, shown], check=True)
    score = ours.do(score=str(shown), reference=str(photo))["score"]
    return {"bytes": answer["bytes"], "ms": statistics.median(answer["ms"]), "score": score}


if __name__ == "__main__":
    main()
