#!/bin/bash
# One task of a job step: a role, started again when it fails, as Kubernetes
# would; what a command line gets wrong (exit code 2) would come again.
#
#   role.sh ROLE FLAGS...
set -uo pipefail

role=$1
shift
if [[ $role == replay ]]; then  # Shards may share a node.
  set -- --port=$((APEX_REPLAY_PORT + SLURM_PROCID)) "$@"
fi

stopped=false
trap 'stopped=true; kill -TERM "$child"' TERM
while true; do
  python -m "launch.$role" "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do  # A signal ends `wait` early.
    code=0
    wait "$child" || code=$?
  done
  if $stopped || [[ $code == 0 || $code == 2 ]]; then
    exit "$code"
  fi
  sleep 5
done
