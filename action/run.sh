#!/usr/bin/env bash
# Calls tagboat as the inputs say, which come as variables: each is an argument of its own, and none is ever read as a command.
# Without GITHUB_OUTPUT, as in GitLab's CI, results are text.
set -euo pipefail

fail() {
  local text=${1//[$'\r\n']/ }
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then printf '::error title=tagboat::%s\n' "$text"; else printf 'error: %s\n' "$text" >&2; fi
  [[ -z ${GITHUB_OUTPUT:-} ]] || printf 'exit-code=2\n' >>"$GITHUB_OUTPUT"
  exit 2
}

# An option with its value, where there is one.
option() {
  [[ -z $2 ]] || arguments+=("$1=$2")
}

# An option without a value, where the input says true.
flag() {
  case ${2:-false} in
    true) arguments+=("$1") ;;
    false) ;;
    *) fail "$3 is true or false, and not: $2" ;;
  esac
}

# The parts of a list by comma or newline, a line each, without blanks around them.
parts() {
  tr ',' '\n' <<<"$1" | sed 's/^[[:space:]]*//;s/[[:space:]]*$//;/^$/d'
}

# What only another command takes is a mistake, and not nothing; what an input is by default is nothing.
only_for() {
  [[ -z $2 || $2 == false || $2 == auto || " $3 " == *" $command "* ]] || fail "$1 is for ${3// / and }, and not for $command"
}

# A mask is of one line: each line of a token has its own, before anything else is said.
if [[ -n ${GITHUB_OUTPUT:-} && -n ${TAGBOAT_TOKEN:-} ]]; then
  while IFS= read -r line; do
    line=${line//%/%25}
    [[ -z $line ]] || printf '::add-mask::%s\n' "$line"
  done < <(tr '\r' '\n' <<<"$TAGBOAT_TOKEN")
fi
[[ ${TAGBOAT_TOKEN:-} != *[[:cntrl:]]* ]] || fail "token holds a line break or another control character"

# A line of its own in a message would be a command of the log.
for name in "${!INPUT_@}"; do
  value=${!name}
  case $name in
    INPUT_IMAGES | INPUT_SKIP) value=${value//[$'\r\n\t']/} ;;
  esac
  [[ $value != *[[:cntrl:]]* ]] || fail "$(tr 'A-Z_' 'a-z-' <<<"${name#INPUT_}") is one line, without control characters"
done

command=${INPUT_COMMAND:-run}
folder=${INPUT_WORKING_DIRECTORY:-.}
[[ -d $folder ]] || fail "working-directory: $folder is no folder"
only_for branch "${INPUT_BRANCH:-}" "run promote rollback"
only_for images "${INPUT_IMAGES:-}" "run"
only_for dry-run "${INPUT_DRY_RUN:-}" "run"
only_for ask-all "${INPUT_ASK_ALL:-}" "run"
only_for at "${INPUT_AT:-}" "run plan"
only_for image "${INPUT_IMAGE:-}" "promote rollback"
only_for environment "${INPUT_ENVIRONMENT:-}" "promote rollback"
only_for to "${INPUT_TO:-}" "rollback"
only_for now "${INPUT_NOW:-}" "promote"
only_for skip "${INPUT_SKIP:-}" "promote"
only_for reason "${INPUT_REASON:-}" "promote rollback"
only_for publish "${INPUT_PUBLISH:-}" "promote rollback"
only_for forge "${INPUT_FORGE:-}" "run plan check promote rollback"
only_for forge-url "${INPUT_FORGE_URL:-}" "run plan check promote rollback"
if [[ $command == check && ${INPUT_PERMISSIONS:-} != true && (${INPUT_FORGE:-auto} != auto || -n ${INPUT_FORGE_URL:-}) ]]; then
  fail "forge and forge-url are for check where permissions is true: without it no forge is asked"
fi
only_for registries "${INPUT_REGISTRIES:-}" "check"
only_for permissions "${INPUT_PERMISSIONS:-}" "check"

arguments=()
[[ -z ${GITHUB_OUTPUT:-} ]] || arguments+=(--output=github)
option --config "${INPUT_CONFIG:-}"
option --service "${INPUT_SERVICE:-}"
case ${INPUT_VERBOSE:-false} in
  true) arguments+=(-v) ;;
  debug) arguments+=(-vv) ;;
  false) ;;
  *) fail "verbose is true, debug or false, and not: $INPUT_VERBOSE" ;;
esac

forge() {
  # A checkout of GitLab's CI is on no branch, and the pipeline knows which one it is for.
  option --branch "${INPUT_BRANCH:-${CI_COMMIT_BRANCH:-}}"
  option --forge "${INPUT_FORGE:-}"
  option --forge-url "${INPUT_FORGE_URL:-}"
}

order() {
  [[ -n ${INPUT_ENVIRONMENT:-} ]] || fail "$command needs environment"
  [[ -n ${INPUT_IMAGE:-} ]] || fail "$command needs image"
  forge
  option --reason "${INPUT_REASON:-}"
  option --publish "${INPUT_PUBLISH:-}"
  arguments+=(-C "$folder")
}

case $command in
  run)
    forge
    flag --dry-run "${INPUT_DRY_RUN:-}" dry-run
    # An event says that something has happened, which is worth asking everything for; a schedule says nothing.
    event=${GITHUB_EVENT_NAME:-${CI_PIPELINE_SOURCE:-schedule}}
    [[ -n ${INPUT_ASK_ALL:-} || $event == schedule ]] || INPUT_ASK_ALL=true
    option --ask-all "${INPUT_ASK_ALL:-}"
    option --at "${INPUT_AT:-}"
    while IFS= read -r image; do
      arguments+=("--image=$image")
    done < <(parts "${INPUT_IMAGES:-}")
    arguments+=(-- "$folder")
    ;;
  plan)
    option --at "${INPUT_AT:-}"
    option --forge "${INPUT_FORGE:-}"
    option --forge-url "${INPUT_FORGE_URL:-}"
    arguments+=(-- "$folder")
    ;;
  check)
    flag --registries "${INPUT_REGISTRIES:-}" registries
    flag "--forge=${INPUT_FORGE:-auto}" "${INPUT_PERMISSIONS:-}" permissions
    option --forge-url "${INPUT_FORGE_URL:-}"
    arguments+=(-- "$folder")
    ;;
  promote)
    order
    flag --now "${INPUT_NOW:-}" now
    skip=$(parts "${INPUT_SKIP:-}" | paste -s -d , -)
    option --skip "$skip"
    arguments+=("--to=$INPUT_ENVIRONMENT" -- "$INPUT_IMAGE")
    ;;
  rollback)
    order
    option --to "${INPUT_TO:-}"
    arguments+=(-- "$INPUT_ENVIRONMENT" "$INPUT_IMAGE")
    ;;
  *) fail "command is run, plan, check, promote or rollback, and not: $command" ;;
esac

code=0
if [[ -z ${GITHUB_OUTPUT:-} ]]; then
  tagboat "$command" "${arguments[@]}" || code=$?
  exit "$code"
fi
# What is written for the runner passes through a file of our own, so that the list of updates becomes a file, too.
outputs=$(mktemp "${RUNNER_TEMP:?}/tagboat-outputs.XXXXXX")
updates=$(mktemp "$RUNNER_TEMP/tagboat-updates.XXXXXX")
GITHUB_OUTPUT=$outputs tagboat "$command" "${arguments[@]}" || code=$?
# NAME<<END, the value, and END on a line of its own.
awk '
  end == "" { at = index($0, "<<"); name = substr($0, 1, at - 1); end = substr($0, at + 2); next }
  $0 == end { end = ""; next }
  name == "updates"' "$outputs" >"$updates"
[[ -s $updates ]] || printf '[]\n' >"$updates"
{
  cat "$outputs"
  printf 'updates-file=%s\nexit-code=%d\n' "$updates" "$code"
} >>"$GITHUB_OUTPUT"
rm -f "$outputs"
exit "$code"
