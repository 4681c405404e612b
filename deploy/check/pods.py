"""Builds the image without a registry and runs it as pods would run: the arguments of the rendered one-shot Jobs, each in a network, mount
and process namespace of its own, in the image's file system, read-only, as a user without rights. A name server and a TLS server stand
beside them.

Usage: python deploy/check/pods.py STATIC-PROGRAM. Needs root, Linux, iproute2, buildah, openssl; makes what it needs and takes it away.
"""

import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import render
import rules

USER = 65532
BRIDGE = "throng-pods"
NET = "10.213.7"
DNS, SHOP, RUN = f"{NET}.1", f"{NET}.1", f"{NET}.10"
NAMES = {"shop.test": SHOP, "throng-run": RUN, "throng-controller": RUN}
# Exit codes of a run that went well; 121: this host was too slow for its own target, which the verdict tells.
WELL = (0, 121)
SCENARIO = """
baseURL: https://shop.test:8443
scenarios:
  visit: { executor: constant-arrival-rate, rate: 90, timeUnit: 1s, duration: %s, preAllocatedVUs: 30, gracefulStop: 5s }
thresholds:
  http_req_failed: ["rate<%s"]
  http_req_duration: ["%s"]
flows:
  default:
    - get: /
"""


def sh(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout.strip()


# The image.


def build(program, folder):
    """FROM scratch, with buildah; where its root file system is mounted."""
    context = folder / "context"
    (context / "image/var/lib/throng").mkdir(parents=True)
    shutil.copy2(program, context / "image/throng")
    os.chown(context / "image/var/lib/throng", USER, USER)
    buildah = ["buildah", "--storage-driver", "vfs", "--root", str(folder / "store"), "--runroot", str(folder / "run")]
    sh(*buildah, "bud", "--isolation", "chroot", "-q", "-t", "throng:check", "-f", str(render.DEPLOY / "Dockerfile.scratch"), str(context))
    told = json.loads(sh(*buildah, "inspect", "--type", "image", "throng:check"))["OCIv1"]["config"]
    assert told["User"] == "65532:65532", told
    assert told["Entrypoint"] == ["/throng"] and not told.get("Cmd"), told
    archive = folder / "image.tar"
    sh(*buildah, "push", "-q", "throng:check", f"oci-archive:{archive}")
    container = sh(*buildah, "from", "throng:check")
    root = pathlib.Path(sh(*buildah, "mount", container))
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert files == ["throng"], f"the image holds more than throng: {files}"
    return root, archive.stat().st_size


# What stands beside the pods.


class Names(socketserver.BaseRequestHandler):
    """A name server for `NAMES`: A records (RFC 1035), and no such name for everything else."""

    def handle(self):
        query, reply = self.request
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = int.from_bytes(query[at + 1 : at + 3], "big")
        question = query[12 : at + 5]
        address = NAMES.get(".".join(name).lower())
        answer = b""
        if address and kind == 1:
            answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04" + socket.inet_aton(address)
        flags = b"\x81\x80" if address else b"\x81\x83"
        counts = b"\x00\x01" + (b"\x00\x01" if answer else b"\x00\x00") + b"\x00\x00\x00\x00"
        reply.sendto(query[:2] + flags + counts + question + answer, self.client_address)


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self):
        Page.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Shop(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Connections that are cut are the stories' own."""


KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def certificate(folder, name, extensions):
    """One of the stories' own CA, in NAME.pem and NAME.key."""
    (folder / f"{name}.cnf").write_text(extensions + "\n")
    sh("openssl", "req", *KEY, "-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.csr"))
    signed = ["-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial", "-days", "2", "-extfile", str(folder / f"{name}.cnf")]
    sh("openssl", "x509", "-req", "-in", str(folder / f"{name}.csr"), *signed, "-out", str(folder / f"{name}.pem"))


def serve(folder):
    names = socketserver.ThreadingUDPServer((DNS, 53), Names)
    shop = Shop((SHOP, 8443), Page)
    sh("openssl", "req", "-x509", *KEY, "-days", "2", "-subj", "/CN=ca", "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"))
    certificate(folder, "shop", "subjectAltName=DNS:shop.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "shop.pem", folder / "shop.key")
    shop.socket = context.wrap_socket(shop.socket, server_side=True, do_handshake_on_connect=False)
    for server in (names, shop):
        threading.Thread(target=server.serve_forever, daemon=True).start()


def network(addresses):
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "address", "add", f"{NET}.1/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")
    for name, address in addresses.items():
        sh("ip", "netns", "add", name)
        sh("ip", "link", "add", f"v-{name}"[:15], "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "link", "set", f"v-{name}"[:15], "master", BRIDGE, "up")
        sh("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        sh("ip", "-n", name, "link", "set", "eth0", "up")
        sh("ip", "-n", name, "link", "set", "lo", "up")


def no_network(addresses):
    for name in addresses:
        subprocess.run(["ip", "link", "del", f"v-{name}"[:15]], capture_output=True)
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True)


# A pod.

ENTER = """
mount --bind "$1" "$1"
mount -t proc -o nosuid,nodev,noexec proc "$1/proc"
mount --bind "$2" "$1/var/lib/throng"
mount -t tmpfs -o mode=1777,size=16m tmpfs "$1/run/throng"
mount -o remount,ro,bind "$1"
root="$1"; shift 2
exec setpriv --no-new-privs --clear-groups unshare --root "$root" --wd /var/lib/throng --setgid 65532 --setuid 65532 "$@"
"""


class Pod:
    def __init__(self, name, image, folder, arguments, environment, mounts):
        self.name = name
        root, self.work = folder / name / "root", folder / name / "work"
        shutil.copytree(image, root, copy_function=os.link)
        self.work.mkdir()
        os.chown(self.work, USER, USER)
        # What a runtime puts into a container.
        for path in ("proc", "etc", "run/throng"):
            (root / path).mkdir(parents=True)
        (root / "etc/resolv.conf").write_text(f"nameserver {DNS}\noptions timeout:1\n")
        for path, text in mounts.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            if path.startswith("etc/throng/"):
                # As a kubelet lays a Secret of mode 0440 under an fsGroup.
                os.chown(root / path, 0, USER)
                os.chmod(root / path, 0o440)
        self.log = folder / name / "log"
        enter = ["ip", "netns", "exec", name, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, "sh", str(root), str(self.work)]
        self.process = subprocess.Popen(
            enter + ["/throng", *arguments], env={"PATH": os.environ["PATH"], **environment}, stdin=subprocess.DEVNULL, stdout=open(self.log, "w"), stderr=subprocess.STDOUT
        )

    def signal(self, number):
        """To the pod's first process, as a kubelet's runtime does."""
        parent = self.process.pid
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            if children:
                os.kill(int(children[0]), number)
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.name} has no process")

    def ends(self, within):
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end; it said:\n{self.log.read_text()[-3000:]}") from None

    def probe(self, path, within=60):
        """What the pod's probe port answers."""
        return self.ask(f"http://127.0.0.1:7438{path}", within)[0]

    def ask(self, url, within=60):
        """Status and body of what is at `url`, asked from inside the pod's network; waits until it answers at all. Nobody's name is checked."""
        asked = (
            "import ssl,sys,urllib.request,urllib.error\n"
            "try: answer = urllib.request.urlopen(sys.argv[1], timeout=5, context=ssl._create_unverified_context())\n"
            "except urllib.error.HTTPError as error: answer = error\n"
            "print(answer.status, answer.read().decode())"
        )
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            done = subprocess.run(["ip", "netns", "exec", self.name, sys.executable, "-c", asked, url], capture_output=True, text=True)
            if done.returncode == 0:
                status, _, body = done.stdout.partition(" ")
                return int(status), body
            time.sleep(0.1)
        raise AssertionError(f"{self.name}: no answer from {url}\n{done.stderr}")


def given(things, part):
    """Arguments and environment of one of the rendered workloads."""
    job = next(job for job in rules.workloads(things) if rules.component(job) == part)
    container = rules.containers(job)[0]
    return container["args"], {variable["name"]: variable["value"] for variable in container.get("env", []) if "value" in variable}


class Story:
    """One run with its pods."""

    def __init__(self, image, folder, name, agents, scenario, more=(), overlay=None, secrets=None):
        things = render.kustomize("once", render.SETTINGS | {"agents": str(agents), "targetCIDR": f"{NET}.0/24"}, overlay)
        trusted = {"SSL_CERT_FILE": "/etc/ssl/shop.pem"}
        shop = {"etc/ssl/shop.pem": (folder / "ca.pem").read_text()}
        state, join = secrets or (
            {f"etc/throng/authority/{path.name}": path.read_text() for path in (folder / "state").iterdir() if path.name != "lock"},
            {"etc/throng/join/token": (folder / "token").read_text()},
        )
        folder = folder / name
        folder.mkdir()
        arguments, environment = given(things, "controller")
        self.run = Pod("t-run", image, folder, arguments, environment | trusted, {"scenario/scenario.yaml": scenario} | shop | state)
        arguments, environment = given(things, "agent")
        arguments = [argument for argument in arguments if argument.split("=")[0] not in {flag.split("=")[0] for flag in more}]
        self.agents = [
            Pod(f"t-agent{number}", image, folder, [*arguments, *more], environment | trusted, shop | join) for number in range(agents)
        ]

    def begun(self, requests):
        deadline = time.monotonic() + 60
        wanted = Page.asked + requests
        while Page.asked < wanted:
            said = "".join(pod.log.read_text() for pod in [self.run, *self.agents])
            assert time.monotonic() < deadline and self.run.process.poll() is None, said
            time.sleep(0.05)

    def summary(self):
        return json.loads((self.run.work / "summary.json").read_text())

    def end(self):
        for pod in [self.run, *self.agents]:
            if pod.process.poll() is None:
                # Its first process; those beside it, and `unshare`, end with that.
                pod.signal(signal.SIGKILL)
                pod.ends(10)


def fine(image, folder):
    story = Story(image, folder, "fine", 3, SCENARIO % ("4s", "0.01", "p(95)<60000"))
    try:
        assert story.agents[0].probe("/livez") == 200
        story.begun(50)
        assert story.agents[0].probe("/readyz") == 200
        assert story.run.ends(60) in WELL, story.run.log.read_text()
        assert [pod.ends(20) for pod in story.agents] == [0, 0, 0]
        summary = story.summary()
        count = summary["metrics"]["http_reqs"]["values"]["count"]
        (visit,) = summary["conservation"]["scenarios"]
        assert count > 0 and 360 <= count + visit["expired"] + visit["dropped"] <= 366, (count, visit)
    finally:
        story.end()


def thresholds(image, folder):
    story = Story(image, folder, "thresholds", 2, SCENARIO % ("2s", "0.01", "p(95)<0.001"))
    try:
        # 121 comes before 99, and both are told.
        assert story.run.ends(60) in (99, 121), story.run.log.read_text()
        assert 99 in story.summary()["exit"]["all"], story.summary()["exit"]
        assert [pod.ends(20) for pod in story.agents] == [0, 0], "agents end well whatever the verdict"
    finally:
        story.end()


def eviction(image, folder):
    story = Story(image, folder, "eviction", 3, SCENARIO % ("8s", "0.01", "p(95)<60000"))
    try:
        story.begun(200)
        story.agents[1].signal(signal.SIGTERM)
        assert story.agents[1].ends(45) == 0, story.agents[1].log.read_text()
        code = story.run.ends(60)
        assert code in WELL, story.run.log.read_text()
        assert [pod.ends(20) for pod in story.agents] == [0, 0, 0]
        # It handed its share over: nothing of the plan went with it.
        conservation = story.summary()["conservation"]
        (visit,) = conservation["scenarios"]
        assert (visit["lost"], visit["unaccounted"]) == (0, 0) and visit["planned"] >= 720, visit
        assert conservation["requests"]["unaccounted"] == 0, conservation
        return f"nothing lost; the run ended with {code}"
    finally:
        story.end()


def certificates(image, folder):
    """The component cert-manager: files, and one certificate for all agents."""
    certificate(folder, "controller", "subjectAltName=DNS:throng-run\nextendedKeyUsage=serverAuth")
    certificate(folder, "agent", "subjectAltName=URI:throng://agent/pod\nextendedKeyUsage=clientAuth")
    mounted = [
        {f"etc/throng/tls/{file}": (folder / path).read_text() for file, path in [("ca.crt", "ca.pem"), ("tls.crt", f"{who}.pem"), ("tls.key", f"{who}.key")]}
        for who in ("controller", "agent")
    ]
    overlay = render.mine("once", "image", "target-cidr", "once", "cert-manager")
    story = Story(image, folder, "certificates", 3, SCENARIO % ("2s", "0.01", "p(95)<60000"), overlay=overlay, secrets=mounted)
    try:
        assert story.run.ends(90) in WELL, "".join(pod.log.read_text() for pod in [story.run, *story.agents])
        assert [pod.ends(20) for pod in story.agents] == [0, 0, 0]
        assert len(story.summary()["agents"]) == 3
    finally:
        story.end()


def standing(image, folder):
    """The fleet's Deployments, with the components metrics and web, and a pod that starts a run on it, as `kubectl run` would."""
    overlay = render.mine("fleet", "image", "target-cidr", "metrics", "web")
    things = render.kustomize("fleet", render.SETTINGS | render.SEEN | {"targetCIDR": f"{NET}.0/24"}, overlay)
    trusted = {"SSL_CERT_FILE": "/etc/ssl/shop.pem"}
    shop = {"etc/ssl/shop.pem": (folder / "ca.pem").read_text()}
    state = {f"etc/throng/authority/{path.name}": path.read_text() for path in (folder / "state").iterdir() if path.name != "lock"}
    join = {"etc/throng/join/token": (folder / "token").read_text()}
    place = folder / "standing"
    place.mkdir()
    pods = [Pod("t-run", image, place, *given(things, "controller"), state)]
    try:
        assert pods[0].probe("/readyz") == 200
        arguments, environment = given(things, "agent")
        pods.append(Pod("t-agent0", image, place, arguments, environment | trusted, shop | join))
        assert pods[1].probe("/livez") == 200
        arguments = ["run", "/scenario/scenario.yaml", "--controller=https://throng-controller:7437", "--join-file=/etc/throng/join/token", "--expect-agents=1", "--summary=summary.json"]
        own = {"etc/throng/join/token": (folder / "operator").read_text(), "scenario/scenario.yaml": SCENARIO % ("2s", "0.01", "p(95)<60000")}
        pods.append(Pod("t-agent1", image, place, arguments, {}, own))
        said = pods[2].log
        assert pods[2].ends(90) in WELL, said.read_text()
        count = json.loads((pods[2].work / "summary.json").read_text())["metrics"]["http_reqs"]["values"]["count"]
        assert count > 0, said.read_text()
        # What other pods see of it, and what those who share its network do.
        status, page = pods[2].ask(f"http://{RUN}:7439/metrics")
        assert status == 200 and "k6_http_reqs_total" in page, page
        status, page = pods[1].ask("http://127.0.0.1:7439/metrics")
        assert status == 200 and "throng_agent_" in page, page
        status, session = pods[2].ask(f"https://{RUN}:7480/api/session")
        assert status == 200 and not json.loads(session)["signed_in"], session
        status, refused = pods[2].ask(f"https://{RUN}:7480/api/runs")
        assert status == 401, refused
        status, _ = pods[2].ask(f"https://{RUN}:7480/")
        assert status == 200
        # A node is drained: the agent leaves, then the controller.
        for pod in pods[1::-1]:
            pod.signal(signal.SIGTERM)
            assert pod.ends(45) == 0, pod.log.read_text()
        return f"{count:.0f} requests"
    finally:
        for pod in pods:
            if pod.process.poll() is None:
                pod.signal(signal.SIGKILL)
                pod.ends(10)


def disappearance(image, folder):
    story = Story(image, folder, "disappearance", 2, SCENARIO % ("60s", "0.01", "p(95)<60000"), ["--give-up=3s"])
    try:
        story.begun(100)
        story.run.signal(signal.SIGKILL)
        assert [pod.ends(40) for pod in story.agents] == [123, 123]
    finally:
        story.end()


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    kind = sh("file", "-b", str(program))
    assert "static" in kind, f"{program} is not static: {kind}"
    addresses = {"t-run": RUN} | {f"t-agent{number}": f"{NET}.{20 + number}" for number in range(3)}
    passed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        image, size = build(program, folder)
        token = sh(str(program), "token", "create", "--uses", "unlimited", "--expires", "1h", "--state", str(folder / "state"))
        (folder / "token").write_text(token)
        operator = sh(str(program), "token", "create", "--role", "operator", "--expires", "1h", "--state", str(folder / "state"))
        (folder / "operator").write_text(operator)
        print(f"image: {size / 1e6:.1f} MB as an archive; program: {program.stat().st_size / 1e6:.1f} MB")
        no_network(addresses)
        network(addresses)
        try:
            serve(folder)
            for story in (fine, thresholds, eviction, certificates, standing, disappearance):
                said = story(image, folder)
                print(f"{story.__name__}: as wished{'; ' + said if said else ''}")
                passed += 1
        finally:
            no_network(addresses)
    print(f"{passed + 1} passed, 0 failed")


if __name__ == "__main__":
    main()
