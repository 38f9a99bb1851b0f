# Volumes are saved and brought back: by export and import, and by a container with the other's volumes and tar.
set -eu
image=docker.io/library/busybox:latest
work=$(mktemp -d)
trap 'podman rm -a -f -t 0 >/dev/null; podman volume rm -a -f >/dev/null; rm -rf "$work"' EXIT
podman load -q -i busybox.tar >/dev/null

# Names, kinds, modes, owners, and of files sizes, times and contents, of what is under /data.
listing='cd /data && find . -mindepth 1 | sort | while read -r path; do stat -c "%n %F %a %u:%g" "$path"; done
    find . -type f -exec stat -c "%n %s %Y" {} + | sort; find . -type f -exec md5sum {} + | sort'
list() { podman run --rm --network none -v "$1:/data" "$image" sh -c "$listing"; }
# The names in the archive on standard input; some have a ./ in front.
names() { tar -t | sed 's|^\./||; s|/$||' | grep . | sort; }

echo "== a volume with one of each"
podman volume create --label keep=yes data
podman run --rm --network none -v data:/data "$image" sh -euc '
    cd /data
    echo one >file; seq 1 20000 >numbers; : >empty; mkdir -p deep/er; echo x >deep/er/x
    ln -s deep/er/x link; ln file hard; mkfifo fifo
    chown 1000:1001 numbers; chmod 4755 file; chmod 700 deep; echo hidden >.hidden; echo y >"a name with blanks"
    head -c 3000000 /dev/zero >zeroes
    find . -exec touch -h -d "2020-02-02 02:02:02" {} +'
list data >"$work/before"
cat "$work/before"

echo "== export, gzip, remove, import"
podman volume export data | gzip >"$work/data.tar.gz"
gzip -dc "$work/data.tar.gz" | names
podman volume rm data
podman volume exists data || echo "gone: $?"
podman volume create --label keep=yes data
gzip -dc "$work/data.tar.gz" | podman volume import data -
list data >"$work/after"
diff "$work/before" "$work/after" && echo "the same"
podman volume export -o "$work/again.tar" data
podman volume create second >/dev/null
podman volume import second "$work/again.tar"
list second | diff "$work/before" - && echo "the same"
echo 'no archive' | podman volume import second - >/dev/null 2>&1 || echo "no archive: $?"
podman volume import no-such "$work/again.tar" >/dev/null 2>&1 || echo "no such volume: $?"

echo "== the volumes of another container, by tar"
podman run -d --name app --network none -v data:/data -v /cache "$image" sh -c 'echo warm >/cache/state; exec sleep 1000' >/dev/null
until podman exec app test -s /cache/state; do :; done
podman run --rm --network none --volumes-from app:ro "$image" tar -c -C / data cache >"$work/app.tar"
names <"$work/app.tar"
podman run --rm --network none --volumes-from app:ro "$image" touch /data/new 2>/dev/null || echo "read-only: $?"
podman volume rm data >/dev/null 2>&1 || echo "in use: $?"
podman stop -t 0 app >/dev/null
podman rm -v app
podman volume ls -q --filter label=keep=yes
podman volume ls -q --filter dangling=true | grep -v -e '^data$' -e '^second$' | wc -l
podman create --name restored --network none -v restored:/data -v /cache "$image" true >/dev/null
podman run -i --rm --network none --volumes-from restored "$image" tar -x -C / <"$work/app.tar"
list restored | diff "$work/before" - && echo "the same"
podman run --rm --network none --volumes-from restored "$image" cat /cache/state

echo "== a whole set, by name"
for name in $(podman volume ls -q --filter name='^(data|second)$' | sort); do
    podman volume export "$name" >"$work/$name.tar"
    echo "$name $(names <"$work/$name.tar" | wc -l)"
done
podman rm restored >/dev/null
podman volume prune -f | grep -c .
podman volume ls -q | wc -l
