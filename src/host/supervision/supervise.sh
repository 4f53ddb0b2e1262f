# Watches the processes of a cluster and has those that ended started again.
#
# usage: supervise.sh LIST RECORD HEAL…
#   LIST    lines "NAME PID START-TICKS"; when it is gone, so is the cluster
#   RECORD  names this very process; when it names another, that one has taken over
#   HEAL…   a command that starts what is dead, and prints how many seconds it wants to be left alone
#
# A shell, because it has to be there all the time and may not cost anything.
set -uf
list=$1
record=$2
shift 2

# alive PID START-TICKS
alive() {
  [ "$1" -gt 0 ] && kill -0 "$1" 2>/dev/null || return 1
  [ -e /proc/self/stat ] || return 0
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  started=$2
  # What follows the name, which is in brackets and may hold anything: state, …, start in ticks (the 20th).
  set -- ${stat##*) }
  case $1 in Z | X) return 1 ;; esac
  [ "${20}" = "$started" ]
}

known=
left=0
while :; do
  sleep 1
  identity=
  # A last line without its end is read, too, but counts as a failure.
  { read -r identity <"$record"; } 2>/dev/null || [ -n "$identity" ] || exit 0
  case $identity in *"\"pid\":$$,"*) ;; *) exit 0 ;; esac
  [ -e "$list" ] || exit 0

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
