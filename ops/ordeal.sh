#!/usr/bin/env bash
# What the disk tier, customers' rules, images, bills and purges must bear, at full length, with the release build:
#
#   ops/ordeal.sh                all of it, about half an hour
#   ops/ordeal.sh kill 10        the process is killed under load, so many times (100)
#   ops/ordeal.sh power 5        the power is lost (20); needs root, loop devices and python3
#   ops/ordeal.sh damage 10      the disk file is damaged, with so many seeds for each kind (50)
#   ops/ordeal.sh full           no room, a read-only file system, few descriptors; needs root
#   ops/ordeal.sh large          10 GiB through 256 MiB of memory, and 1 byte of 1 GiB
#   ops/ordeal.sh rules          rule sets that mean harm: CPU time of a request, and another site's p90
#   ops/ordeal.sh usage 10       the process is killed under load, so many times (20), and its bills compared
#   ops/ordeal.sh purge 20000    purges beside so many objects (1000000): how soon, how many a second, what
#                                hits feel and cost, and crashes after them; 20000 is a trial
#   ops/ordeal.sh images         pictures that mean harm, 500 clients at once, and a flood beside plain hits
#
# Exit code 0: every bound was kept; 1: one was missed; 2: something could not be run.
# BRINK_BINARY names another program to be tried.

set -uo pipefail
cd "$(dirname "$0")/.."

cargo test --release --locked --test ordeal --no-run || exit 2
ORDEAL="${*:-all}" cargo test --quiet --release --locked --test ordeal
