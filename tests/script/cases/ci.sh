# A CI job: an image from a file, sources on a mount, steps by their exit codes, artifacts by cp, and a cleanup that runs
# whatever happens.
set -eu
image=docker.io/library/busybox:latest
work=$(mktemp -d)

cleanup() {
    code=$?
    podman rm -f -t 0 -i --cidfile "$work/job.cid" >/dev/null
    podman ps -aq --filter label=ci.job=7 | xargs -r podman rm -f -t 0 >/dev/null
    rm -rf "$work"
    echo "cleaned up after $code"
}
trap cleanup EXIT

podman image exists "$image" || podman load -q -i busybox.tar
podman image exists "$image"
mkdir "$work/src" "$work/out"
echo 'hello from the sources' >"$work/src/hello.in"

echo "== build"
podman run --rm --network none --label ci.job=7 -v "$work/src:/src:ro" -v "$work/out:/out" -w /src -e CI=true \
    "$image" sh -euc 'tr a-z A-Z <hello.in >/out/hello; echo "CI=$CI in $PWD as $(id -u)"; mkdir -m 750 /out/sub'
cat "$work/out/hello"
stat -c '%a' "$work/out/sub"
# What the job wrote is the caller's.
test "$(stat -c %u "$work/out/hello")" = "$(id -u)"

echo "== the sources are not written to"
podman run --rm --network none -v "$work/src:/src:ro" "$image" touch /src/new || echo "refused with $?"

echo "== exit codes"
for code in 0 1 3 42 125 126 127 255; do
    podman run --rm --network none "$image" sh -c "exit $code" && echo "0 is success" || echo "step failed with $?"
done
podman run --rm --network none "$image" no-such-program >/dev/null 2>&1 || echo "no such program: $?"
podman run --rm --network none "$image" /etc >/dev/null 2>&1 || echo "not a program: $?"
podman run --rm --network none --no-such-flag "$image" true >/dev/null 2>&1 || echo "no such flag: $?"
podman run --rm --network none "$image" sh -c 'sh -c "kill -9 \$\$"' || echo "a killed step: $?"

echo "== a job in the background, its artifacts by cp"
podman run -d --cidfile "$work/job.cid" --network none --label ci.job=7 "$image" \
    sh -c 'mkdir -p /artifacts/deep; seq 1 1000 >/artifacts/numbers; echo x >/artifacts/deep/file; ln -s deep/file /artifacts/link
           echo to stdout; echo to stderr >&2; exit 4' >/dev/null
job=$(cat "$work/job.cid")
echo "the job ended with $(podman wait "$job")"
podman logs "$job" 2>/dev/null
podman logs "$job" 2>&1 >/dev/null
podman cp "$job:/artifacts" "$work/artifacts"
(cd "$work/artifacts" && find . | sort && md5sum numbers && readlink link)
podman cp "$job:/artifacts/." - | tar -t | sed 's|^\./||; s|/$||' | sort
mkdir "$work/into"
podman cp "$job:/artifacts/deep/." "$work/into"
ls "$work/into"
podman cp "$job:/no/such/file" "$work/into" 2>/dev/null || echo "nothing to collect: $?"
podman inspect --format '{{.State.Status}} {{.State.ExitCode}} {{index .Config.Labels "ci.job"}}' "$job"
podman run --cidfile "$work/job.cid" --network none "$image" true 2>/dev/null || echo "the cidfile is taken: $?"

echo "== created, filled, started"
podman create --name ci-step --network none --label ci.job=7 "$image" sh /work/run.sh >/dev/null
mkdir "$work/steps"
echo 'echo "ran $0"; exit 5' >"$work/steps/run.sh"
podman cp "$work/steps" ci-step:/work
podman start -a ci-step || echo "the step ended with $?"
tar -C "$work/src" -c . | podman cp - ci-step:/work
podman export ci-step | tar -x -O work/hello.in
podman diff --format json ci-step | jq -r '.added[]' | grep '^/work/' | sort
podman commit -q ci-step ci-step:kept >/dev/null
podman run --rm --network none localhost/ci-step:kept cat /work/hello.in
podman rmi localhost/ci-step:kept >/dev/null
podman rm ci-step

echo "== services beside the job"
for n in 1 2 3; do
    podman run -d --name "ci-service-$n" --network none --label ci.job=7 --label "n=$n" "$image" sleep 1000 >/dev/null &
done
wait
podman ps --filter label=ci.job=7 --format '{{.Names}}' | sort
podman ps -a --filter label=ci.job=7 --filter label=n=2 --filter status=running --format '{{.Names}}'

echo "== a job that takes too long, and one that is called off"
podman run --rm --network none --label ci.job=7 --timeout 1 "$image" sleep 1000 || echo "too long: $?"
mkfifo "$work/up"
podman run --rm --network none --label ci.job=7 "$image" \
    sh -c 'trap "echo called off; exit 9" TERM; echo up; while :; do sleep 0.1; done' >"$work/up" &
client=$!
{
    read -r line
    echo "$line"
    kill -TERM "$client"
    cat
} <"$work/up"
wait "$client" || echo "the client ended with $?"

echo "== a pipe of jobs"
echo 'three small words' | podman run -i --rm --network none "$image" tr ' ' '\n' | podman run -i --rm --network none "$image" sort
printf 'A=1\nB=two words\n#C=3\n' >"$work/env"
podman run --rm --network none --env-file "$work/env" "$image" sh -c 'echo "$A $B ${C:-none}"'

echo "== the failure of a step is the failure of the job"
podman run --rm --network none "$image" sh -c 'exit 6'
echo "never said"
