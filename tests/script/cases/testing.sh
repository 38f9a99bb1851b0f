# What a test framework does: many containers with labels and ports that the system chooses, each waited for by a line of
# its log, asked over its port and removed, several at once; what a test forgets goes by its label.
set -eu
export image=docker.io/library/busybox:latest session=run-$$ work
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
podman load -q -i busybox.tar >/dev/null

cat >"$work/one-test" <<'TEST'
set -eu
n=$1
# Every fourth test asks over a port; that is the expensive part.
publish="--network none"
[ $((n % 4)) != 0 ] || publish="-p 127.0.0.1::80"
id=$(podman run -d --label framework.session="$session" --label framework.test="$n" --stop-timeout 0 $publish "$image" \
    sh -c "echo starting; mkdir /www; echo page $n >/www/index.html; httpd -p 80 -h /www; echo ready; echo more; exec sleep 1000")
mkfifo "$work/log-$n"
podman logs -f "$id" >"$work/log-$n" 2>&1 &
grep -q -m 1 '^ready$' <"$work/log-$n"
kill $! 2>/dev/null || true
if [ $((n % 4)) = 0 ]; then
    address=$(podman port "$id" 80/tcp)
    page=$(bash -c 'exec 3<>"/dev/tcp/${0%:*}/${0##*:}"; printf "GET / HTTP/1.0\r\n\r\n" >&3; tail -n 1 <&3' "$address")
    [ "$page" = "page $n" ] || { echo "test $n: $page from $address" >&2; exit 1; }
    echo "$address" >>"$work/ports"
fi
[ "$(podman inspect --format '{{index .Config.Labels "framework.test"}}' "$id")" = "$n" ]
[ "$(podman exec "$id" cat /www/index.html)" = "page $n" ]
# Every tenth test forgets to clean up.
[ $((n % 10)) = 0 ] || podman rm -f -v "$id" >/dev/null
echo "$n" >>"$work/passed"
TEST

seq 1 "$COUNT" | xargs -P 8 -n 1 sh "$work/one-test"

left=$(podman ps -q --filter label=framework.session="$session" | wc -l)
[ "$left" = $((COUNT / 10)) ] && echo "what was forgotten is there"
[ "$(sort -n "$work/passed" | tr '\n' ' ')" = "$(seq 1 "$COUNT" | tr '\n' ' ')" ] && echo "all passed"
[ "$(podman ps -aq --filter label=framework.session=another | wc -l)" = 0 ] && echo "no other session"
podman ps -aq --filter label=framework.session="$session" | xargs podman rm -f -v >/dev/null
podman ps -aq | wc -l
podman volume ls -q | wc -l
