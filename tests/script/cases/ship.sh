# A log shipper that follows a container from run to run: no line is lost and none is there twice.
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
podman create --name source --network none -v "$work:/work" "$image" sh -c '
    run=$(($(cat /work/run 2>/dev/null || echo 0) + 1)); echo $run >/work/run
    for n in $(seq 1 300); do echo "run $run line $n"; [ $((n % 100)) != 0 ] || sleep 0.2; done; exit $run' >/dev/null

echo "== three runs, followed to their ends"
for run in 1 2 3; do
    podman start source >/dev/null
    podman logs -f -t $(since) source | append 1000
    echo "run $run ended with $(podman wait source)"
done
cut -d ' ' -f 2- "$work/shipped" >"$work/text"
for run in 1 2 3; do seq -f "run $run line %.0f" 1 300; done | diff - "$work/text" && echo "all 900 lines, once"
cut -d ' ' -f 1 "$work/shipped" | sort -c && echo "in the order of their times"

echo "== the parts of a log"
podman logs --tail 3 source
podman logs --tail 0 source
podman logs -t source | diff - "$work/shipped" && echo "as it was followed"
middle=$(sed -n 450p "$work/shipped")
podman logs -t --until "${middle%% *}" source >"$work/until"
awk -v last="${middle%% *}" '$1 < last' "$work/shipped" >"$work/before"
head -n "$(wc -l <"$work/before")" "$work/until" | diff - "$work/before" && echo "what was until then"
podman logs -t --since "${middle%% *}" source >"$work/since"
awk -v last="${middle%% *}" '$1 > last' "$work/shipped" >"$work/after"
tail -n "$(wc -l <"$work/after")" "$work/since" | diff - "$work/after" && echo "what came since"
podman logs --since 1h source | wc -l
podman logs --since 2000-01-01T00:00:00Z --until 2000-01-02T00:00:00Z source | wc -l
