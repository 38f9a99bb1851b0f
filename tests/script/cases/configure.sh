# A configuration tool: many small commands by exec, its modules on their standard input, as another user, elsewhere, with
# variables; files by cp; facts by inspect.
set -eu
image=docker.io/library/busybox:latest
work=$(mktemp -d)
trap 'podman rm -a -f -t 0 >/dev/null; rm -rf "$work"' EXIT
podman load -q -i busybox.tar >/dev/null
podman run -d --name target --hostname target --network none -e FROM_RUN=run -w /tmp "$image" sleep 1000 >/dev/null

echo "== facts"
podman inspect --format '{{.State.Status}} {{.Config.Hostname}} {{.Config.WorkingDir}}' target
podman exec target sh -c 'echo "$(hostname) $(id -u):$(id -g) $PWD $FROM_RUN"'
podman exec target sh -c 'echo ~'

echo "== a module on standard input"
podman exec -i target sh -s first second <<'MODULE'
echo "arguments: $*"
mkdir -p /etc/app && echo "port=80" >/etc/app/app.conf
echo "changed: true"
exit 0
MODULE
podman exec -i target sh <<'MODULE' || echo "the module failed with $?"
echo "to stderr" >&2
exit 17
MODULE
podman exec -i target sh -c 'cat >/tmp/payload' <busybox.tar
podman exec target md5sum /tmp/payload | cut -d ' ' -f 1 >"$work/there"
md5sum <busybox.tar | cut -d ' ' -f 1 | diff - "$work/there" && echo "the payload arrived"
podman exec target cat /tmp/payload | cmp - busybox.tar && echo "and comes back"
# Without -i there is no standard input.
echo lost | podman exec target cat

echo "== who, where, with what"
podman exec -u web target sh -c 'echo "$(id -un):$(id -gn) in $PWD, HOME=$HOME"; id -G | tr " " "\n" | sort -u'
podman exec -u 1000:1002 target sh -c 'echo "$(id -un):$(id -gn)"'
podman exec -u web:extra -w /etc/app target sh -c 'pwd; touch /etc/app/new' 2>/dev/null || echo "not allowed: $?"
podman exec -u nobody-here target true >/dev/null 2>&1 || echo "no such user"
podman exec -w /no/such/place target true >/dev/null 2>&1 || echo "no such directory"
podman exec -e A=1 -e 'B=two words' -e FROM_RUN=exec target sh -c 'echo "$A|$B|$FROM_RUN"'
printf 'C=3\nD=four words\n' >"$work/env"
podman exec --env-file "$work/env" -e D=other target sh -c 'echo "$C|$D"'
podman exec target no-such-program >/dev/null 2>&1 || echo "no such program: $?"
podman exec target /etc/app/app.conf >/dev/null 2>&1 || echo "not a program: $?"
podman exec no-such-container true >/dev/null 2>&1 || echo "no such container: $?"
for code in 1 2 100 255; do podman exec target sh -c "exit $code" || echo "code $?"; done
podman exec target sh -c 'kill -9 $$' || echo "killed: $?"
podman exec target sh -c 'kill -15 $$' || echo "terminated: $?"

echo "== a hundred tasks, and eight at once"
n=0
while [ $n -lt 100 ]; do
    n=$((n + 1))
    echo "echo $n >>/etc/app/tasks; exit $((n % 3))" | podman exec -i target sh && code=0 || code=$?
    [ $code = $((n % 3)) ] || echo "task $n ended with $code"
done
podman exec target sh -c 'wc -l </etc/app/tasks; tail -n 1 /etc/app/tasks'
seq 1 40 | xargs -P 8 -I N podman exec target sh -c 'echo N >>/etc/app/many' && podman exec target sh -c 'sort -n /etc/app/many | md5sum'
seq 1 40 | md5sum

echo "== files"
printf 'port=8080\n' >"$work/app.conf"
podman cp "$work/app.conf" target:/etc/app/app.conf
podman exec target cat /etc/app/app.conf
podman cp target:/etc/passwd - | tar -x -O | head -n 1
podman exec target sh -c 'chown -R web:web /etc/app && chmod 640 /etc/app/app.conf && stat -c "%U:%G %a" /etc/app/app.conf'

echo "== in the background, and after a restart"
podman exec -d target sh -c 'echo started >/tmp/background; exec sleep 1000' >/dev/null
until podman exec target test -s /tmp/background; do :; done
podman exec target ps -o args | grep -c '^sleep 1000'
podman top target args | grep -c '^sleep 1000'
podman restart -t 0 target >/dev/null
podman exec target ps -o args | grep -c '^sleep 1000'
podman exec target cat /etc/app/app.conf
podman stop -t 0 target >/dev/null
podman exec target true >/dev/null 2>&1 || echo "stopped: $?"
