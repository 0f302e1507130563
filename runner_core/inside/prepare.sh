#!/bin/sh
# Runs inside a sandbox. VARIANT=base writes the base commit into WORKSPACE, with a fresh .git that borrows the objects
# of BASE (a folder of ours: objects/pack, snapshot). The others put work on top of it: VARIANT=work all of WORK (a
# bundle), VARIANT=tests only the files listed in PATHS (NUL between).
set -eu
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_LITERAL_PATHSPECS=1
if [ "$VARIANT" = base ]; then
  find "$WORKSPACE" -mindepth 1 -delete 2> /dev/null || true  # of a preparation that did not work out
  git init -q -b base "$WORKSPACE"
  echo "$BASE/objects" > "$WORKSPACE/.git/objects/info/alternates"
fi
cd "$WORKSPACE"
mkdir -p .git/info
cp "$EXCLUDES" .git/info/exclude
case "$VARIANT" in
  base)
    git update-ref refs/heads/base "$(cat "$BASE/snapshot")"
    git -c checkout.workers=0 reset -q --hard
    git config user.name "Soulcaster agent"
    git config user.email "agent@soulcaster.invalid" ;;
  work)
    git fetch -q "$WORK" refs/heads/work:refs/soulcaster/work
    git read-tree --reset -u refs/soulcaster/work ;;
  tests)
    git fetch -q "$WORK" refs/heads/work:refs/soulcaster/work
    git checkout -q refs/soulcaster/work --pathspec-from-file="$PATHS" --pathspec-file-nul ;;
esac
