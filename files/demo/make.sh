#!/usr/bin/env bash
# Makes speech-by-a-fire.m4a again from two Debian packages. Needs apt-get, dpkg-deb and the worker's environment.
set -euo pipefail
cd "$(dirname "$0")"

ffmpeg=$(PYTHONPATH=../worker/src ../../.venv-worker/bin/python -c 'from tamma_worker import binaries; print(binaries.ffmpeg())')
target=$PWD/speech-by-a-fire.m4a
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

apt-get download pocketsphinx-testdata wesnoth-1.16-data
for package in ./*.deb; do dpkg-deb -x "$package" .; done
reading=usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb
fire=usr/share/games/wesnoth/1.16/data/core/sounds/ambient/campfire.ogg

# As a telephone on the table would have it: the voice far too quiet, the fire 11 dB below it.
"$ffmpeg" -y -loglevel error \
  -i $reading-0870.wav -i $reading-0880.wav -i $reading-0890.wav -i $reading-0920.wav -i $reading-0930.wav \
  -stream_loop 2 -i $fire \
  -filter_complex '[0][1][2][3][4]concat=n=5:v=0:a=1,aresample=44100,volume=-9dB[voice];
                   [5]aresample=44100,aformat=channel_layouts=mono,volume=-6dB[noise];
                   [voice][noise]amix=inputs=2:duration=first:normalize=0[both]' \
  -map '[both]' -c:a aac -b:a 96k -metadata title='Sense and Sensibility, read by a fire' \
  -map_metadata:s -1 -fflags +bitexact -flags:a +bitexact "$target"
