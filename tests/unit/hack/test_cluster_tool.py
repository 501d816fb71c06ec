"""The local cluster's tool: what it decides, packs, records and recognises. No cluster is started here."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[3] / "hack" / "cluster"))  # the tool is a script, not installed

from localcluster import build, certs, cgroups, controlplane, images, mounts, network, node, processes, sources
from localcluster import instance as instances
from localcluster.choose import Facts, choose
from localcluster.cli import main
from localcluster.console import ClusterError
from localcluster.instance import Instance
from localcluster.sources import Group, Program

LINUX_ROOT_GO = {"linux": True, "root": True, "go": (1, 26)}
DOCKER_KIND = {"docker_running": True, "kind_found": True}


pytestmark = pytest.mark.usefixtures("own_folders")


# --- which cluster


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"context": "mine", **DOCKER_KIND, **LINUX_ROOT_GO}, "cluster: context (--context mine)"),
        ({**DOCKER_KIND, **LINUX_ROOT_GO}, "cluster: kind (Docker is running and kind is found)"),
        (DOCKER_KIND, "cluster: kind (Docker is running and kind is found)"),
        (LINUX_ROOT_GO, "cluster: own (Linux, root and Go 1.26 found; Docker is not running)"),
        (
            {"docker_running": True, **LINUX_ROOT_GO},
            "cluster: own (Linux, root and Go 1.26 found; kind is not installed)",
        ),
        (
            {"simulated": True, **DOCKER_KIND, **LINUX_ROOT_GO},
            "cluster: own (Linux, root and Go 1.26 found; --simulated)",
        ),
        (
            {"own_exists": True, **DOCKER_KIND, "linux": True, "root": True},
            "cluster: own (made earlier under this name)",
        ),
    ],
)
def test_the_first_possible_way_is_taken_and_its_reason_told(facts, expected):
    assert str(choose(Facts(**facts))) == expected


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"docker_running": True},
        {"kind_found": True},
        {**LINUX_ROOT_GO, "root": False},
        {**LINUX_ROOT_GO, "linux": False},
        {**LINUX_ROOT_GO, "go": None},
        {**LINUX_ROOT_GO, "go": (1, 23)},
    ],
)
def test_without_any_way_the_user_is_told_what_to_install(facts):
    with pytest.raises(ClusterError, match="start Docker and install kind"):
        choose(Facts(**facts))


def test_a_simulated_cluster_says_what_it_needs():
    with pytest.raises(ClusterError, match="needs Linux, root and Go"):
        choose(Facts(simulated=True, **DOCKER_KIND))


@pytest.fixture
def docker_and_kind(tmp_path, monkeypatch):
    """Docker and kind as scripts that write down how they were called."""
    log = tmp_path / "calls"
    for name in ("docker", "kind", "kubectl"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(
            f'#!/bin/sh\necho "{name} $*" >> {log}\n'
            'while [ $# -gt 0 ]; do [ "$1" = "--kubeconfig" ] && [ -d "${2%/*}" ] && touch "$2"; shift; done\n'
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return log


def test_with_docker_and_kind_the_cluster_is_kinds_with_our_file_and_images(docker_and_kind, capsys):
    assert main(["up", "--name", "k"]) == 0

    calls = docker_and_kind.read_text().splitlines()
    create = next(call for call in calls if call.startswith("kind create"))
    assert create.startswith("kind create cluster --name k --config /")
    assert "/kind-config.yaml --wait" in create
    assert "--tag prunella.local/shop:1 --tag prunella.local/shop:2" in next(c for c in calls if "docker build" in c)
    assert calls[-1] == "kind load docker-image --name k prunella.local/shop:1 prunella.local/shop:2"
    assert capsys.readouterr().out.startswith("cluster: kind (")
    assert stat.S_IMODE((instances.state_root() / "k" / "kubeconfig").stat().st_mode) == 0o600


def test_a_context_of_the_users_own_is_only_asked_whether_it_answers(docker_and_kind):
    assert main(["up", "--context", "mine"]) == 0

    calls = docker_and_kind.read_text().splitlines()
    assert [call for call in calls if not call.startswith("docker info")] == [
        "kubectl --context mine get --raw /readyz --request-timeout=10s"
    ]


def test_the_kind_file_has_two_workers_and_the_pages_on_loopback():
    config = yaml.safe_load((Path(__file__).parents[3] / "kind-config.yaml").read_text())
    ports = config["nodes"][0]["extraPortMappings"]

    assert [entry["role"] for entry in config["nodes"]] == ["control-plane", "worker", "worker"]
    assert {port["hostPort"] for port in ports} == {8233, 8080, 9095}
    assert {port["listenAddress"] for port in ports} == {"127.0.0.1"}


# --- what is built, and under which key


@pytest.fixture
def group(tmp_path):
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module m\n\nrequire k8s.io/kubernetes v1.34.4\n")
    (folder / "go.sum").write_text("a\n")
    (folder / "main.go").write_text("package main\n")
    return Group("m", folder, (Program("tool", ".", 1),))


def test_the_key_is_stable(group):
    assert group.key() == group.key()
    assert group.key().startswith("m-")


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_the_key_follows_every_input(group, name):
    before = group.key()

    (group.folder / name).write_text("module changed\n")

    assert group.key() != before


def test_the_key_follows_the_flags(group):
    others = [
        Group("m", group.folder, group.programs, cgo=True),
        Group("m", group.folder, group.programs, tags="seccomp"),
        Group("m", group.folder, group.programs, version_of="k8s.io/kubernetes"),
    ]

    assert len({group.key(), *(other.key() for other in others)}) == 4


def test_the_key_ignores_what_is_not_compiled(group):
    before = group.key()

    (group.folder / "README.md").write_text("text")

    assert group.key() == before


def test_kubernetes_reports_the_version_of_its_module():
    assert "gitVersion=v1.34.4 " in sources.KUBERNETES.ldflags()
    assert "gitMinor=34" in sources.KUBERNETES.ldflags()


def test_every_module_is_there_with_its_sums():
    for group in {*sources.REAL, *sources.SIMULATED, *sources.ALONE}:
        assert (group.folder / "go.mod").exists(), group.name
        assert group is sources.SHOP or (group.folder / "go.sum").exists(), group.name


def test_what_starts_first_is_built_first():
    assert [program.name for _, program in sources.wanted(simulated=False)][:2] == ["etcd", "kube-apiserver"]


def test_a_simulated_cluster_builds_no_node():
    names = {program.name for _, program in sources.wanted(simulated=True)}

    assert "kwok" in names
    assert not names & {"kubelet", "kube-proxy", "containerd", "runc", "bridge"}


def fake_go(tmp_path, monkeypatch, exit_code):
    """A compiler that writes half a binary before it ends."""
    script = tmp_path / "bin" / "go"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\necho half > "$2"; echo "main.go:1: no"; exit {exit_code}\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


def test_a_finished_build_is_found_and_not_repeated(group, tmp_path, monkeypatch):
    fake_go(tmp_path, monkeypatch, 0)
    monkeypatch.setattr(sources, "wanted", lambda *_, **__: [(group, group.programs[0])])

    build.build()

    assert build.missing(simulated=False) == []
    assert build.binary("tool").read_text() == "half\n"
    with (build.cache_folder() / "lock").open("w") as lock:  # another process builds something
        fcntl.flock(lock, fcntl.LOCK_EX)
        build.build()


def test_one_program_is_built_alone_and_once(group, tmp_path, monkeypatch):
    fake_go(tmp_path, monkeypatch, 0)
    other = sources.Program("other", ".", 1)
    monkeypatch.setattr(sources, "wanted", lambda *_, **__: [(group, group.programs[0]), (group, other)])

    path = build.ensure("tool")
    written = path.stat().st_mtime_ns

    assert build.ensure("tool").stat().st_mtime_ns == written
    assert {path_.name for path_ in path.parent.iterdir()} == {"tool"}
    with pytest.raises(ClusterError, match="no program called hammer"):
        build.ensure("hammer")


def test_what_is_part_of_no_cluster_is_built_when_it_is_asked_for(group, tmp_path, monkeypatch):
    fake_go(tmp_path, monkeypatch, 0)
    monkeypatch.setattr(sources, "alone", lambda: [(group, group.programs[0])])

    assert build.ensure("tool").read_text() == "half\n"
    assert not {"temporal-server"} & {program.name for _, program in sources.wanted(simulated=False, monitoring=True)}


def test_a_failed_build_leaves_no_binary_and_shows_the_compilers_words(group, tmp_path, monkeypatch):
    fake_go(tmp_path, monkeypatch, 1)
    monkeypatch.setattr(sources, "wanted", lambda *_, **__: [(group, group.programs[0])])

    with pytest.raises(ClusterError, match=r"building tool failed:\nmain.go:1: no"):
        build.build()

    assert not build.binary("tool").exists()


def test_what_is_part_of_no_cluster_is_built_by_itself_and_once(group, tmp_path, monkeypatch):
    fake_go(tmp_path, monkeypatch, 0)
    monkeypatch.setattr(sources, "alone", lambda: [(group, group.programs[0])])

    assert build.ensure("tool").read_text() == "half\n"
    assert not {"collector"} & {program.name for _, program in sources.wanted(simulated=False, monitoring=True)}


@pytest.mark.parametrize(
    ("completed", "elapsed", "expected"),
    [(0, 0, 400), (200, 200, 200), (200, 460, 400), (400, 100, 0)],
)
def test_the_estimate_learns_the_speed_of_the_machine(completed, elapsed, expected):
    assert build.seconds_left(400, completed, elapsed) == pytest.approx(expected)


# --- images


@pytest.fixture
def archive(tmp_path):
    target = tmp_path / "image.tar"
    images.write_archive(images.Image(images.SHOP, "shop"), b"program", target)
    return target


def test_an_archive_is_one_static_program_for_nobody(archive):
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(manifest["Config"]))
        layer = tar.extractfile("layer.tar").read()
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        program = tar.getmember("shop")
        assert tar.extractfile(program).read() == b"program"

    assert manifest["RepoTags"] == ["prunella.local/shop:1", "prunella.local/shop:2"]
    assert manifest["Layers"] == ["layer.tar"]
    assert program.mode & stat.S_IXOTH
    assert config["config"] == {"Entrypoint": ["/shop"], "User": "65532:65532", "WorkingDir": "/"}
    assert config["os"] == "linux"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_the_config_is_named_by_its_digest(archive):
    with tarfile.open(archive) as tar:
        name = json.load(tar.extractfile("manifest.json"))[0]["Config"]
        content = tar.extractfile(name).read()

    assert name == hashlib.sha256(content).hexdigest() + ".json"


def test_the_same_program_gives_the_same_archive(archive, tmp_path):
    again = tmp_path / "again.tar"
    images.write_archive(images.Image(images.SHOP, "shop"), b"program", again)

    assert again.read_bytes() == archive.read_bytes()
    assert not list(tmp_path.glob(".*.partial"))


# --- names and addresses


@pytest.mark.parametrize("name", ["prunella", "a", "e2e-1", "x" * 20])
def test_good_names(name):
    assert instances.check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a b", "x" * 21])
def test_names_that_are_none(name):
    with pytest.raises(ClusterError, match="is no cluster name"):
        instances.check_name(name)


def test_a_state_folder_too_deep_for_sockets_is_refused(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/" + "x" * 80)

    with pytest.raises(ClusterError, match="XDG_STATE_HOME"):
        instances.check_name("prunella")


@pytest.mark.parametrize(
    ("taken", "in_use", "expected"),
    [
        (set(), [], 1),
        ({1, 2}, [], 3),
        (set(), ["10.88.1.0/24"], 2),
        (set(), ["10.101.7.7/32", "10.152.0.0/16"], 3),
        ({2}, ["10.88.0.0/23"], 3),
        (set(), ["192.168.0.0/16"], 1),
    ],
)
def test_the_first_number_whose_ranges_are_free(taken, in_use, expected):
    assert instances.free_number(taken, [IPv4Network(subnet) for subnet in in_use]) == expected


def test_no_free_number_is_an_error():
    with pytest.raises(ClusterError, match="no free address range"):
        instances.free_number(set(), [IPv4Network("10.0.0.0/8")])


def test_no_two_instances_share_an_address():
    ranges = [subnet for number in instances.NUMBERS for subnet in Instance("any", number).networks]

    assert not [(a, b) for i, a in enumerate(ranges) for b in ranges[i + 1 :] if a.overlaps(b)]


def test_instances_are_remembered_with_their_numbers():
    first = instances.create("a", [], simulated=False, audit=True, nodes=1)
    second = instances.create("b", [], simulated=True, audit=False, nodes=7)

    assert (first.number, second.number) == (1, 2)
    assert instances.load("b") == second
    assert instances.every() == [first, second]
    assert stat.S_IMODE(first.folder.stat().st_mode) == 0o700

    instances.forget(first)

    assert instances.load("a") is None
    assert instances.create("c", [], simulated=False, audit=True, nodes=1).number == 1


def test_addresses_of_an_instance():
    instance = Instance("a", 7)

    assert instance.url == "https://10.88.7.2:6443"
    assert str(instance.host_address) == "10.88.7.1"
    assert [str(subnet) for subnet in instance.networks] == ["10.88.7.0/30", "10.107.0.0/16", "10.157.0.0/16"]
    assert len(instance.veth) <= 15


def test_the_default_route_blocks_no_range():
    assert network.networks_of(["default", "0.0.0.0/0", "10.0.0.0/30", "127.0.0.1"]) == [
        IPv4Network("10.0.0.0/30"),
        IPv4Network("127.0.0.1/32"),
    ]


# --- processes


@pytest.fixture
def instance():
    return instances.create("a", [], simulated=False, audit=True, nodes=1)


@pytest.fixture
def stubborn():
    """A process that ignores SIGTERM."""
    command = ["sh", "-c", 'trap "" TERM; echo ready; while true; do sleep 0.1; done']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def record(instance, component, pid, started):
    file = instance.folder / "run" / f"{component}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"pid": pid, "started": started}))
    return file


def test_a_recorded_process_is_known_again(instance, stubborn):
    record(instance, "etcd", stubborn.pid, processes.started(stubborn.pid))

    assert processes.pid_of(instance, "etcd") == stubborn.pid
    assert processes.memory_mib(stubborn.pid) >= 0


def test_a_pid_that_now_belongs_to_somebody_else_is_not_ours(instance, stubborn):
    record(instance, "etcd", stubborn.pid, processes.started(stubborn.pid) - 1)

    processes.stop(instance, ["etcd"], grace=0)

    assert processes.pid_of(instance, "etcd") is None
    assert stubborn.poll() is None


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1, "started": null}'])
def test_a_damaged_record_is_no_process(instance, text):
    record(instance, "etcd", 1, None).write_text(text)

    assert processes.pid_of(instance, "etcd") is None


def test_nothing_recorded_is_no_process(instance):
    assert processes.pid_of(instance, "etcd") is None


def test_a_zombie_does_not_live():
    process = subprocess.Popen(["true"])
    try:
        assert processes.wait_until(lambda: processes.started(process.pid) is None, 5)
    finally:
        process.wait()


def test_what_ignores_sigterm_is_killed(instance, stubborn):
    file = record(instance, "etcd", stubborn.pid, processes.started(stubborn.pid))

    processes.stop(instance, ["etcd"], grace=0.2)

    assert stubborn.wait(5) == -signal.SIGKILL
    assert not file.exists()


def test_left_over_processes_are_found_by_a_whole_argument(tmp_path):
    process = subprocess.Popen(["sh", "-c", "read _", str(tmp_path / "sock")], stdin=subprocess.PIPE)
    try:
        assert processes.wait_until(lambda: processes.mentioning(str(tmp_path / "sock")) == {process.pid}, 5)
        assert processes.mentioning(str(tmp_path)) == set()
    finally:
        process.communicate()


# --- traces on the machine


def test_only_mounts_below_the_folder_innermost_first():
    table = "\n".join(
        f"x {point} tmpfs rw 0 0" for point in ("/", "/s/a/k", "/s/ab", "/s/a/k/deep", r"/s/a/with\040space")
    )

    assert mounts.below(Path("/s/a"), table) == ["/s/a/with space", "/s/a/k/deep", "/s/a/k"]


def test_control_group_hierarchies_of_both_versions():
    table = "cgroup /c/memory cgroup rw,memory 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\nproc /proc proc rw 0 0\n"

    assert cgroups.hierarchies(table) == [(Path("/c/memory"), "cgroup"), (Path("/c/unified"), "cgroup2")]


# --- configuration


def test_the_audit_log_holds_no_secrets_and_no_reads():
    rules = controlplane.audit_policy()["rules"]
    secrets = next(i for i, rule in enumerate(rules) if "secrets" in str(rule.get("resources")))
    contents = next(i for i, rule in enumerate(rules) if rule["level"] == "RequestResponse")

    assert rules[0] == {"level": "None", "verbs": ["get", "list", "watch"]}
    assert rules[secrets]["level"] == "Metadata"
    assert secrets < contents


def test_everything_of_the_node_lies_below_the_state_folder(instance):
    text = node.containerd_config(instance)
    kubelet = node.kubelet_config(instance)

    assert f'root = "{instance.folder}/containerd/root"' in text
    assert 'sandbox = "prunella.local/pause:1"' in text
    assert f'config_path = "{instance.folder}/containerd/registries"' in text
    assert kubelet["cgroupRoot"] == "/prunella-a"
    assert kubelet["podLogsDir"].startswith(str(instance.folder))
    assert node.pod_network(instance)["plugins"][0]["ipMasq"] is False


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_certificates_verify_and_private_files_are_private(instance):
    certs.ensure(instance)
    pki = certs.folder(instance)

    for name in ("apiserver", "kubelet", "admin", "scheduler"):
        subprocess.run(["openssl", "verify", "-CAfile", pki / "ca.crt", pki / f"{name}.crt"], check=True)
    text = subprocess.check_output(["openssl", "x509", "-in", pki / "apiserver.crt", "-noout", "-text"], text=True)
    assert f"IP Address:{instance.address}" in text
    assert stat.S_IMODE(instance.kubeconfig.stat().st_mode) == 0o600
    assert json.loads(instance.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == instance.url
    before = instance.kubeconfig.read_text()
    certs.ensure(instance)
    assert instance.kubeconfig.read_text() == before


# --- the command line


def test_an_error_is_one_line_without_a_traceback(capsys):
    assert main(["kubeconfig", "--name", "absent"]) == 1
    assert capsys.readouterr().err == "error: no cluster called `absent`: run `up` first\n"


def test_env_is_for_eval(instance, capsys):
    assert main(["env", "--name", "a"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"export KUBECONFIG={instance.kubeconfig}"
    assert second.startswith("export PATH=")
    assert second.endswith(":$PATH")


def test_a_context_of_the_users_own_is_never_stopped(capsys):
    assert main(["down", "--context", "prod"]) == 0
    assert "nothing to stop" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["up", "down", "status", "logs", "build", "images", "kubeconfig", "env"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out
