# A supervisor that tells the end by memory from another.
set -eu
image=docker.io/library/busybox:latest
trap 'podman rm -a -f -t 0 >/dev/null' EXIT
podman load -q -i busybox.tar >/dev/null
podman run --name greedy --network none --memory 32m --memory-swap 32m "$image" dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null || echo "ended with $?"
podman inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' greedy
podman run --name modest --network none --memory 32m "$image" true
podman inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' modest
# More of it, and it succeeds.
podman update --memory 300m --memory-swap 300m greedy >/dev/null
podman start greedy >/dev/null
podman wait greedy
podman inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' greedy
podman run -d --name worker --network none --memory 32m --memory-swap 32m --restart on-failure:1 "$image" dd if=/dev/zero of=/dev/null bs=200M count=1 >/dev/null
until [ "$(podman inspect --format '{{.State.Status}} {{.RestartCount}}' worker)" = "exited 1" ]; do :; done
podman inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' worker
