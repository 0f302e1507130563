#!/bin/sh
# Runs inside a sandbox. Unpacks the base commit into WORKSPACE with a fresh .git, then puts work on top of it:
# VARIANT=base nothing, VARIANT=work all of WORK (a bundle), VARIANT=tests only the files listed in PATHS (NUL between).
set -eu
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_LITERAL_PATHSPECS=1
find "$WORKSPACE" -mindepth 1 -delete 2> /dev/null || true  # of a preparation that did not work out
git clone -q -b base "$BASE" "$WORKSPACE"
cd "$WORKSPACE"
git remote remove origin
git config user.name "Soulcaster agent"
git config user.email "agent@soulcaster.invalid"
cp "$EXCLUDES" .git/info/exclude
case "$VARIANT" in
  base) ;;
  work) git fetch -q "$WORK" refs/heads/work:refs/soulcaster/work && git read-tree -m -u refs/soulcaster/work ;;
  tests)
    git fetch -q "$WORK" refs/heads/work:refs/soulcaster/work
    git checkout -q refs/soulcaster/work --pathspec-from-file="$PATHS" --pathspec-file-nul ;;
esac
