#!/bin/sh
# Runs inside a sandbox. Writes OUT, a bundle with one commit on top of the base whose tree is the working tree.
# Whatever was done to the workspace's own .git is of no matter: a fresh index over the pristine base decides.
# Prints "unchanged" and writes nothing when the tree equals the base.
set -eu
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
SCRATCH="$HOME/.soulcaster/collect.$$"
trap 'rm -rf "$SCRATCH"' EXIT
rm -rf "$HOME"/.soulcaster/collect.*  # of a collection that was cut off
git init -q --bare "$SCRATCH"
echo "$BASE/objects" > "$SCRATCH/objects/info/alternates"
git -C "$SCRATCH" update-ref refs/heads/base "$(cat "$BASE/snapshot")"
export GIT_DIR="$SCRATCH" GIT_WORK_TREE="$WORKSPACE"
git config core.bare false
cp "$EXCLUDES" "$SCRATCH/info/exclude"
cd "$WORKSPACE"
git read-tree base
git add -A --ignore-errors . || echo "incomplete"
tree=$(git write-tree)
if [ "$tree" = "$(git rev-parse 'base^{tree}')" ]; then
  echo "unchanged"
  exit 0
fi
export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@soulcaster.invalid GIT_AUTHOR_DATE=2000-01-01T00:00:00Z
export GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@soulcaster.invalid GIT_COMMITTER_DATE=2000-01-01T00:00:00Z
git update-ref refs/heads/work "$(git commit-tree "$tree" -p base -m work)"
mkdir -p "$(dirname "$OUT")"
rm -f "$OUT"
git bundle create -q "$OUT" base..work
echo "changed"
