# Watches the processes of a cluster and has those that ended started again.
#
# usage: supervise.sh LIST RECORD HEAL…
#   LIST    lines "NAME PID START-TICKS"; when it is gone, so is the cluster
#   RECORD  names this very process, soon; when it names another then, that one has taken over
#   HEAL…   a command that starts what is dead, and prints how many seconds it wants to be left alone
#
# A shell, because it has to be there all the time and may not cost anything. Busybox's, where it is, can wait by itself:
# starting a `sleep` every second would take more than all the rest.
if [ -z "${WAITS_BY_ITSELF-}" ] && command -v busybox >/dev/null; then
  WAITS_BY_ITSELF=yes exec busybox sh "$0" "$@"
fi
set -uf
list=$1
record=$2
shift 2

# alive PID START-TICKS: whether there is such a process, and when thorough, whether it is the same one
alive() {
  [ "$1" -gt 0 ] || return 1
  [ -e /proc/self/exe ] || { kill -0 "$1" 2>/dev/null; return; }
  # What is left of a process that ended has no program.
  [ -e "/proc/$1/exe" ] || return 1
  [ -n "$thorough" ] || return 0
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  started=$2
  # What follows the name, which is in brackets and may hold anything: state, …, start in ticks (the 20th).
  set -- ${stat##*) }
  [ "${20}" = "$started" ]
}

if [ -n "${WAITS_BY_ITSELF-}" ]; then
  # Nobody ever writes to it.
  mkfifo "$record.wait" && exec 9<>"$record.wait" && rm "$record.wait" || exit 1
  a_second() { read -r -t 1 nothing <&9; }
else
  a_second() { sleep 1; }
fi

known=
left=0
turn=0
# Who has started this may be slow to record it: until then the record is missing, or names the one before.
recorded=
unrecorded_turns=0
unrecorded_turns_max=30
while :; do
  a_second
  # A shell reads byte by byte: a pid that is given out again, which hardly ever happens, is looked for now and then.
  turn=$(((turn + 1) % 10))
  thorough=
  [ "$turn" -ne 1 ] || thorough=yes
  [ -e "$list" ] || exit 0
  identity=
  # A last line without its end is read, too, but counts as a failure.
  { read -r identity <"$record"; } 2>/dev/null
  case $identity in
    *"\"pid\":$$,"*) recorded=yes ;;
    *)
      unrecorded_turns=$((unrecorded_turns + 1))
      [ -z "$recorded" ] && [ "$unrecorded_turns" -lt "$unrecorded_turns_max" ] || exit 0
      continue
      ;;
  esac

  dead=
  while read -r name pid ticks; do
    alive "$pid" "$ticks" || dead="$dead $name"
  done <"$list"

  if [ -z "$dead" ]; then
    known=
    continue
  fi
  # Another one that dies meanwhile does not wait for the first one's turn.
  if [ "$dead" = "$known" ] && [ "$left" -gt 0 ]; then
    left=$((left - 1))
    continue
  fi
  known=$dead
  left=$("$@") || left=10
done
