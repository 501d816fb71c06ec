"""The monitoring of the local cluster: what is built for it, how it is configured, who may have it. Nothing starts."""

import base64
import json
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "hack" / "cluster"))  # the tool is a script, not installed

from localcluster import aggregation, alertmanager, build, certs, commands, monitoring, own, scraping, sources
from localcluster import instance as instances
from localcluster.choose import Choice, Kind
from localcluster.cli import main, parser
from localcluster.console import ClusterError
from localcluster.instance import Instance
from localcluster.monitoring import Alerts


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_STATE_HOME", short)
        yield


@pytest.fixture
def instance(monkeypatch):
    """An instance with the number 7, and certificates that are only names."""
    made = Instance("test", 7, monitoring=True)
    made.save()
    certs.folder(made).mkdir()
    (certs.folder(made) / "ca.crt").write_text("the authority")
    monkeypatch.setattr(certs, "serving", lambda *_: None)
    return made


def names(groups):
    return {program.name for _, program in groups}


def test_nobody_builds_it_who_did_not_ask():
    extra = {"prometheus", "promtool", "metrics-server"}
    assert not extra & names(sources.wanted(simulated=False))
    assert not extra & names(sources.wanted(simulated=True))
    assert names(sources.wanted(simulated=False, monitoring=True)) - names(sources.wanted(simulated=False)) == extra


def test_each_program_has_a_place():
    assert build.binary("promtool").parent == build.binary("prometheus").parent
    assert build.binary("metrics-server").name == "metrics-server"


@pytest.mark.parametrize("folder", ["prometheus", "metrics-server"])
def test_the_modules_name_their_programs(folder):
    module = (sources.GO_FOLDER / folder / "go.mod").read_text()
    (group,) = (entry for entry in sources.MONITORING if entry.folder.name == folder)
    assert all(
        f"\t{program.package}\n" in module or f"tool {program.package}\n" in module for program in group.programs
    )


def test_an_instance_remembers_it():
    made = Instance("test", 7)
    made.save()
    assert instances.with_monitoring(made).monitoring
    assert instances.load("test").monitoring


def test_an_instance_of_an_earlier_version_has_none():
    made = Instance("test", 7)
    made.save()
    path = made.folder / "instance.json"
    record = json.loads(path.read_text())
    del record["monitoring"]
    path.write_text(json.dumps(record))
    assert instances.load("test") == made


def test_its_components_come_last_and_go_with_the_rest(instance):
    assert [part.name for part in own.components(instance)][-3:] == ["metrics-server", "alertmanager", "prometheus"]
    assert "prometheus" not in {part.name for part in own.components(Instance("test", 7))}


def test_they_listen_in_the_clusters_own_network_only(instance):
    for part in monitoring.components(instance):
        listening = [word for word in part.command if "listen-address=" in word or "bind-address=" in word]
        addresses = [word.partition("=")[2].partition(":")[0] for word in listening]
        assert "10.88.7.2" in addresses
        assert set(addresses) <= {"10.88.7.2", ""}


def test_what_is_scraped(instance):
    config = scraping.configuration(instance, Path("/state/monitoring"), 9093)
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {"kubelet", "cadvisor", "apiserver", "pods", "files"}
    assert jobs["cadvisor"]["metrics_path"] == "/metrics/cadvisor"
    assert jobs["cadvisor"]["relabel_configs"][0] == {"target_label": "job", "replacement": "kubelet"}
    assert jobs["files"]["file_sd_configs"][0]["files"] == ["/state/monitoring/targets/*.json"]
    assert config["rule_files"][1] == "/state/monitoring/rules/*.yaml"
    assert Path(config["rule_files"][0]).read_text().startswith("# Alerts about Prunella")
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["10.88.7.2:9093"]


def test_the_api_server_learns_where_metrics_are_served(instance):
    service, slice_, api = aggregation.objects(instance, monitoring.served(instance))
    assert "selector" not in service["spec"]
    assert slice_["endpoints"] == [{"addresses": ["10.88.7.2"]}]
    assert slice_["metadata"]["labels"] == {"kubernetes.io/service-name": service["metadata"]["name"]}
    assert slice_["ports"][0]["name"] == service["spec"]["ports"][0]["name"]
    assert base64.b64decode(api["spec"]["caBundle"]) == b"the authority"
    assert "insecureSkipTLSVerify" not in api["spec"]


# Alerts


def routing(instance):
    return json.loads((monitoring.folder(instance) / "alertmanager.json").read_text())


def test_at_first_alerts_go_nowhere(instance):
    monitoring.prepare(instance, Alerts())
    assert routing(instance)["receivers"] == [{"name": "prunella"}, {"name": "none"}]


def test_alerts_go_to_the_webhook_with_the_token_of_a_file(instance, tmp_path):
    monitoring.prepare(instance, Alerts("http://10.88.7.1:9095/webhooks/alertmanager", tmp_path / "token"))
    (hook,) = routing(instance)["receivers"][0]["webhook_configs"]
    assert hook["url"] == "http://10.88.7.1:9095/webhooks/alertmanager"
    assert hook["send_resolved"]
    assert hook["http_config"] == {"authorization": {"credentials_file": str(tmp_path / "token")}}


def test_what_is_told_about_prunella_itself_does_not_go_to_prunella(instance):
    monitoring.prepare(instance, Alerts("http://10.88.7.1:9095/"))
    (route,) = routing(instance)["route"]["routes"]
    assert (route["matchers"], route["receiver"]) == (['alertname=~"Prunella.*"'], "none")


def test_a_later_start_keeps_the_routing(instance):
    monitoring.prepare(instance, Alerts("http://here/"))
    monitoring.prepare(instance, Alerts())
    assert routing(instance)["receivers"][0]["webhook_configs"][0]["url"] == "http://here/"


def test_an_installed_alertmanager_is_taken(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "alertmanager"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert alertmanager.command() == [str(program)]
    alertmanager.ensure()


def test_another_one_is_unpacked_into_the_cache_and_not_installed(tmp_path, monkeypatch):
    done = []

    def run(*command, cwd=None, **_):
        done.append(command[:2])
        if command[:2] == ("apt-get", "download"):
            (cwd / "prometheus-alertmanager_1_amd64.deb").touch()
        if command[0] == "dpkg-deb":
            (command[3] / "usr" / "bin").mkdir(parents=True)

    monkeypatch.setattr(alertmanager, "run", run)
    monkeypatch.setattr(alertmanager, "found", lambda _: True)
    monkeypatch.setattr(alertmanager.shutil, "which", lambda _: None)
    monkeypatch.setattr(alertmanager.Path, "exists", lambda path: Path.is_dir(path) or path.name == "debian_version")
    alertmanager.ensure()
    alertmanager.ensure()
    assert done == [("apt-get", "update"), ("apt-get", "download"), ("dpkg-deb", "--extract")]
    command = alertmanager.command()
    assert command[0] == "unshare"
    assert command[-1].startswith(str(build.cache_folder()))


# The command line


def test_without_asking_there_is_no_monitoring():
    assert commands._alerts(parser().parse_args(["up"])) is None
    assert commands._alerts(parser().parse_args(["up", "--monitoring"])) == Alerts()


def test_a_webhook_means_monitoring():
    options = parser().parse_args(["up", "--alerts-to", "http://x/", "--alerts-token", "t"])
    assert commands._alerts(options) == Alerts("http://x/", Path("t"))


@pytest.mark.parametrize(
    ("kind", "more"), [(Kind.KIND, []), (Kind.CONTEXT, ["--context", "mine"]), (Kind.OWN, ["--simulated"])]
)
def test_only_a_real_cluster_of_our_own_can_have_it(kind, more, monkeypatch, capsys):
    monkeypatch.setattr(commands, "choose", lambda _: Choice(kind, "a test says so"))
    assert main(["up", "--monitoring", *more]) == 1
    assert "only a real cluster of our own" in capsys.readouterr().err


def test_promtool_is_on_the_path_of_a_watched_cluster(instance, capsys):
    assert main(["env", "--name", "test"]) == 0
    assert str(build.folder(sources.PROMETHEUS)) in capsys.readouterr().out


def test_a_component_that_refuses_its_configuration_is_told(instance, monkeypatch):
    monkeypatch.setattr(monitoring.api, "answers", lambda url, **_: "9093" not in url)
    with pytest.raises(ClusterError, match=r"http://10\.88\.7\.2:9093 refuses its configuration"):
        monitoring.reload(instance)


def test_the_certificate_of_one_more_server_is_made_once(tmp_path, monkeypatch):
    made = Instance("test", 7)
    made.save()
    certs.folder(made).mkdir()
    calls = []
    monkeypatch.setattr(certs, "_certificate", lambda *given: calls.append(given[1:]))
    certs.serving(made, "metrics-server", "DNS:x")
    (certs.folder(made) / "metrics-server.crt").touch()
    certs.serving(made, "metrics-server", "DNS:x")
    assert calls == [("metrics-server", "/CN=metrics-server", "ca", "DNS:x")]
