# A follower beside a log that is rotated over and over: what it has read is whole lines, in order, none twice; and what
# is kept are the newest.
set -eu
image=docker.io/library/busybox:latest
work=$(mktemp -d)
trap 'podman rm -a -f -t 0 >/dev/null; rm -rf "$work"' EXIT
podman load -q -i busybox.tar >/dev/null
for driver in k8s-file json-file; do
    echo "== $driver"
    # A writer that waits for its reader now and then, so that the follower need not be faster than the log is large.
    podman create --name source --network none --log-driver "$driver" --log-opt max-size=200k -v "$work:/work" "$image" sh -c '
        for part in $(seq 1 20); do
            seq 1 1000 | sed "s/.*/part $part line & of a log that is rotated/"
            until [ "$(tail -n 1 /work/seen)" = "part $part" ]; do sleep 0.02; done
        done' >/dev/null
    : >"$work/seen"
    podman start source >/dev/null
    podman logs -f source | tee "$work/followed" | sed -u -n "s/ line 1000 .*//w $work/seen"
    echo "ended with $(podman wait source)"
    for part in $(seq 1 20); do seq -f "part $part line %.0f of a log that is rotated" 1 1000; done >"$work/all"
    diff "$work/all" "$work/followed" && echo "all 20000 lines, once"
    podman logs source >"$work/kept"
    [ "$(wc -l <"$work/kept")" -lt 20000 ] && tail -n "$(wc -l <"$work/kept")" "$work/all" | diff - "$work/kept" && echo "the newest are kept"
    podman rm source >/dev/null
done
