# A supervisor: starts, waits, looks at the exit code, starts again after a while; stops, kills and replaces. And what a
# unit of a service manager runs.
set -eu
image=docker.io/library/busybox:latest
work=$(mktemp -d)
trap 'podman rm -a -f -t 0 >/dev/null; rm -rf "$work"' EXIT
podman load -q -i busybox.tar >/dev/null
state() { podman inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' "$1"; }

echo "== until it succeeds"
podman create --name worker --network none -v "$work:/work" "$image" sh -c '
    try=$(($(cat /work/try 2>/dev/null || echo 0) + 1)); echo $try >/work/try; echo "try $try"; [ $try = 4 ] || exit $((10 + try))' >/dev/null
delay=1
while :; do
    podman start worker >/dev/null
    code=$(podman wait worker)
    echo "ended with $code"
    [ "$code" != 0 ] || break
    sleep "0.$delay"
    delay=$((delay * 2))
done
podman logs worker
state worker

echo "== it is waited for while it runs, and by several"
podman run -d --name server --network none "$image" sh -c 'trap "echo hup" HUP; trap "echo term; exit 3" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
until podman logs server | grep -q up; do :; done
podman wait server worker >"$work/wait-1" &
podman wait server >"$work/wait-2" &
podman kill -s HUP server
until podman logs server | grep -q hup; do :; done
state server
podman stop -t 10 server
wait
cat "$work/wait-1" "$work/wait-2"
podman logs server
state server
podman stop server
podman wait server
podman kill server >/dev/null 2>&1 || echo "kill of one that has ended: $?"

echo "== signals are 128 and their number"
podman run -d --name deaf --network none "$image" sleep 1000 >/dev/null
podman kill deaf
podman wait deaf
state deaf
podman start deaf >/dev/null
podman stop -t 0 deaf
state deaf
podman rm deaf >/dev/null
podman stop no-such >/dev/null 2>&1 || echo "no such: $?"
podman stop -i no-such && echo "ignored"
podman wait no-such >/dev/null 2>&1 || echo "no such: $?"
podman rm no-such >/dev/null 2>&1 || echo "no such: $?"
podman rm -f no-such >/dev/null 2>&1 && echo "forced" || echo "no such: $?"

echo "== a policy"
podman run -d --name policy --network none --restart on-failure:2 -v "$work:/work" "$image" sh -c 'echo run >>/work/policy; exit 5' >/dev/null
until [ "$(podman inspect --format '{{.State.Status}} {{.RestartCount}}' policy)" = "exited 2" ]; do :; done
state policy
grep -c run "$work/policy"
podman run -d --name always --network none --restart always "$image" sleep 1000 >/dev/null
podman exec always kill -9 1 2>/dev/null || true
podman stop -t 0 always >/dev/null
state always
podman ps -a --filter restart-policy=always --format '{{.Names}}'
podman rm policy always

echo "== replaced"
podman run -d --name server --network none "$image" true >/dev/null 2>&1 || echo "the name is taken: $?"
podman run -d --replace --name server --network none "$image" sleep 1000 >/dev/null
podman ps --format '{{.Names}} {{.Command}}'
podman rm server >/dev/null 2>&1 || echo "it runs: $?"
podman rm -f -t 0 server

echo "== as a unit does"
unit() {
    rm -f "$work/unit.ctr-id"
    podman run --cidfile="$work/unit.ctr-id" --cgroups=no-conmon --rm --sdnotify=conmon -d --replace --name unit --network none \
        "$image" sh -c 'trap "exit 0" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
}
for n in 1 2; do
    unit
    until podman logs unit | grep -q up; do :; done
    podman stop --ignore -t 10 --cidfile="$work/unit.ctr-id" >/dev/null
    podman rm -f --ignore -t 10 --cidfile="$work/unit.ctr-id" >/dev/null
    podman container exists unit || echo "it is gone: $?"
done
unit
# It is started again while it runs, as after the manager was killed.
unit
podman ps --format '{{.Names}}'
podman rm -f -t 0 --cidfile="$work/unit.ctr-id" >/dev/null
podman rm -f --ignore --cidfile="$work/unit.ctr-id" >/dev/null && echo "gone twice"
podman ps -a --format '{{.Names}} {{.Status}}' | cut -d ' ' -f 1-3
