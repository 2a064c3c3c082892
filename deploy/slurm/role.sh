#!/bin/bash
# One task of a job step: a role, started again when it fails, as Kubernetes
# would.
#
#   role.sh ROLE FLAGS...
set -uo pipefail

role=$1
shift
if [[ $role == replay ]]; then  # Shards may share a node.
  set -- --port=$((APEX_REPLAY_PORT + SLURM_PROCID)) "$@"
fi

stopped=false child=
stop() {
  stopped=true
  [[ -z $child ]] || kill -TERM "$child" 2>/dev/null
}
trap stop TERM

while ! $stopped; do
  python -m "launch.$role" "$@" &
  child=$!
  $stopped && stop  # It came in between.
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do  # A signal ends `wait` early.
    code=0
    wait "$child" || code=$?
  done
  case $code in
    0) exit 0 ;;
    2 | 3)  # It would come again, and the others would wait.
      scancel --signal=TERM --batch "$APEX_JOB_ID"
      exit "$code" ;;
  esac
  sleep 5 &
  child=$!
  wait "$child"
done
exit 0
