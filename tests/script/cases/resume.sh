# A log shipper that is cut off and goes on from the last line that it has: no line is lost and none is there twice.
set -eu
image=docker.io/library/busybox:latest
work=$(mktemp -d)
trap 'podman rm -a -f -t 0 >/dev/null; rm -rf "$work"' EXIT
podman load -q -i busybox.tar >/dev/null

# What is to be asked for: everything, or what came since the last line that is known. That goes along, and lines of the
# same moment.
since() { [ ! -s "$work/shipped" ] || echo "--since $(tail -n 1 "$work/shipped" | cut -d ' ' -f 1)"; }
# Appends what is new, at most $1 lines.
append() {
    cp "$work/shipped" "$work/known"
    awk -v most="$1" 'FILENAME != "-" { known[$0]; next } !($0 in known) { print; if (++n == most) exit }' "$work/known" - >>"$work/shipped"
}

: >"$work/shipped"
podman run -d --name source --network none "$image" sh -c 'n=0; trap "exit 0" TERM; while :; do n=$((n + 1)); echo "line $n"; [ $((n % 20)) != 0 ] || sleep 0.05; done' >/dev/null
for cut in 1 2 3; do
    before=$(wc -l <"$work/shipped")
    # The shipper ends by its broken pipe.
    podman logs -f -t $(since) source | append 50
    echo "$(($(wc -l <"$work/shipped") - before)) new lines"
done
cut -d ' ' -f 2- "$work/shipped" >"$work/text"
seq -f 'line %.0f' 1 150 | diff - "$work/text" && echo "all 150 lines, once"

echo "== the rest, after its end"
podman stop -t 5 source >/dev/null
podman inspect --format '{{.State.ExitCode}}' source
podman logs -f -t $(since) source | append 100000
total=$(podman logs source | wc -l)
seq -f 'line %.0f' 1 "$total" >"$work/all"
cut -d ' ' -f 2- "$work/shipped" | diff "$work/all" - && echo "all lines, once"
podman logs --tail 3 source >"$work/tail"
tail -n 3 "$work/all" | diff - "$work/tail" && echo "the tail"
middle=$(sed -n 100p "$work/shipped")
podman logs -t --until "${middle%% *}" source | awk -v last="${middle%% *}" '$1 < last' | cut -d ' ' -f 2- >"$work/until"
awk -v last="${middle%% *}" '$1 < last' "$work/shipped" | cut -d ' ' -f 2- | diff - "$work/until" && echo "until"
