// The side of run.py that is sharp: jobs in and answers out as in ours.rs. A job names the steps of
// sharp instead of parameters: {"steps": [["resize", {...}], ["webp", {...}]]}.

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const sharp = createRequire(process.argv[2])("sharp");
sharp.concurrency(1);
sharp.cache(false);

for await (const line of createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    const source = readFileSync(job.source);
    const mark = job.mark ? readFileSync(job.mark) : null;
    const times = [];
    let bytes;
    for (let run = 0; run < job.runs; run++) {
        const before = process.cpuUsage();
        let chain = sharp(source, { animated: Boolean(job.animated) });
        for (const [step, options] of job.steps) {
            chain = step === "mark"
                ? chain.composite([{ input: mark, ...options }])
                : chain[step](options);
        }
        bytes = await chain.toBuffer();
        const { user, system } = process.cpuUsage(before);
        times.push((user + system) / 1000);
    }
    if (job.output) writeFileSync(job.output, bytes);
    const peak = process.resourceUsage().maxRSS;
    process.stdout.write(JSON.stringify({ ms: times, bytes: bytes.length, peak_kib: peak }) + "\n");
}
