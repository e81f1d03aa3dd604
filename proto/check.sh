#!/bin/sh
# Lints proto/, and checks it for breaking changes since the latest release (a tag v*), else since the parent
# commit: programs built against that must still work. Needs buf and python on PATH.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python proto/generate.py --image "$scratch/now.binpb"
echo "buf lint"
buf lint "$scratch/now.binpb" --config buf.yaml --path tollkeeper

skip() {
    echo "buf breaking: not done, $1"
    exit 0
}
git rev-parse --git-dir >/dev/null 2>&1 || skip "this is not a git checkout"
base=$(git describe --tags --match 'v*' --abbrev=0 2>/dev/null) ||
    base=$(git rev-parse --verify --quiet 'HEAD^') ||
    skip "there is neither a tag v* nor a parent commit here (a shallow clone, or the first commit)"
git cat-file -e "$base:proto" 2>/dev/null || skip "$base has no proto/"

mkdir "$scratch/base"
git archive "$base" proto | tar -x -C "$scratch/base"
python proto/generate.py --proto "$scratch/base/proto" --image "$scratch/base.binpb"
echo "buf breaking, against $base"
buf breaking "$scratch/now.binpb" --against "$scratch/base.binpb" --config buf.yaml --path tollkeeper
