"""The commands."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from localcluster import alertmanager, build, images, kind, own, sources, status, tools
from localcluster import instance as instances
from localcluster.choose import Kind, choose, gather
from localcluster.console import ClusterError, attempt, run, say
from localcluster.instance import Instance
from localcluster.monitoring import Alerts


def up(options: argparse.Namespace) -> int:
    sources.kubernetes(options.kubernetes)  # raises for a version that cannot be had
    choice = choose(gather(options.context, options.simulated, instances.load(options.name) is not None))
    say(str(choice))
    if _alerts(options) and (choice.kind is not Kind.OWN or options.simulated):
        raise ClusterError("only a real cluster of our own can have monitoring")
    if options.kubernetes and choice.kind is not Kind.OWN:
        raise ClusterError(f"only a cluster of our own can have a version of choice; this one is {choice.kind}")
    if choice.kind is Kind.CONTEXT:
        _check_context(options.context)
    elif choice.kind is Kind.KIND:
        kind.up(instances.check_name(options.name))
    else:
        nodes = options.nodes if options.simulated else 1
        with instances.busy(options.name):
            own.up(
                options.name,
                simulate=options.simulated,
                audit=options.audit,
                nodes=nodes,
                alerts=_alerts(options),
                kubernetes=options.kubernetes,
            )
    return 0


def _alerts(options: argparse.Namespace) -> Alerts | None:
    """Destination of alerts; None without monitoring."""
    if not (options.monitoring or options.alerts_to):
        return None
    return Alerts(options.alerts_to, options.alerts_token)


def _check_context(context: str) -> None:
    answer = attempt("kubectl", "--context", context, "get", "--raw", "/readyz", "--request-timeout=10s")
    if answer.returncode:
        raise ClusterError(f"context {context} cannot be reached: {answer.stderr.strip()}")
    say(f"context {context} is reachable")


def down(options: argparse.Namespace) -> int:
    if options.context:
        say(f"context {options.context} is yours: nothing to stop")
        return 0
    if instances.load(options.name):
        with instances.busy(options.name):
            instance = instances.load(options.name)  # another `down` may have been faster
            if instance:
                own.down(instance)
        say(f"`{options.name}` is gone")
    elif _kind_has(options.name):
        kind.down(options.name)
    else:
        say(f"no cluster called `{options.name}`")
    return 0


def show_status(options: argparse.Namespace) -> int:
    if options.context:
        _check_context(options.context)
        return 0
    instance = instances.load(options.name)
    if instance:
        return 0 if status.show(instance) else 1
    if _kind_has(options.name):
        say(run("kubectl", "--kubeconfig", kind.kubeconfig(options.name), "get", "nodes").strip())
        return 0
    say(f"`{options.name}` is not running")
    return 1


def show_logs(options: argparse.Namespace) -> int:
    instance = _own(options.name)
    if not options.component:
        say("\n".join(sorted(path.stem for path in instance.log("any").parent.glob("*.log"))))
        return 0
    audit = instance.folder / "audit.log"
    path = audit if options.component == "audit" else instance.log(options.component)
    if not path.exists():
        raise ClusterError(f"no log called {options.component}: see `logs` without a name")
    if options.follow:
        os.execvp("tail", ["tail", "-n", "50", "-F", str(path)])
    with path.open(errors="replace") as lines:
        sys.stdout.writelines(lines)
    return 0


def build_only(options: argparse.Namespace) -> int:
    sources.kubernetes(options.kubernetes)  # before packages are installed
    tools.ensure(options.simulated)
    build.build(options.simulated, options.monitoring, options.kubernetes)
    if options.monitoring:
        alertmanager.ensure()
    say(f"everything is built: {build.cache_folder()}")
    return 0


def load_images(options: argparse.Namespace) -> int:
    instance = instances.load(options.name)
    if instance is None and _kind_has(options.name):
        kind.load_shop(options.name)
        kind.load_archives(options.name, options.archive)
        return 0
    own_instance = _own(options.name)
    if own_instance.simulated:
        raise ClusterError("a simulated cluster runs no images")
    tools.ensure(simulated=False)
    build.build(minor=own_instance.kubernetes)
    archives = [*images.prepare(), *options.archive]
    images.load(own_instance, archives)
    say(f"loaded {len(archives)} archives, with {', '.join(images.SHOP)}")
    return 0


def print_kubeconfig(options: argparse.Namespace) -> int:
    print(_kubeconfig(options))
    return 0


def print_env(options: argparse.Namespace) -> int:
    print(f"export KUBECONFIG={shlex.quote(str(_kubeconfig(options)))}")
    instance = None if options.context else instances.load(options.name)
    if instance:
        groups = [sources.kubernetes(instance.kubernetes), *([sources.PROMETHEUS] if instance.monitoring else [])]
        folders = ":".join(str(build.folder(group)) for group in groups)
        print(f"export PATH={shlex.quote(folders)}:$PATH")
    return 0


def _kubeconfig(options: argparse.Namespace) -> Path:
    if options.context:
        return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if instances.load(options.name) is None and _kind_has(options.name):
        return kind.kubeconfig(options.name)
    return _own(options.name).kubeconfig


def _own(name: str) -> Instance:
    instance = instances.load(name)
    if instance is None:
        raise ClusterError(f"no cluster called `{name}`: run `up` first")
    return instance


def _kind_has(name: str) -> bool:
    facts = gather(None, simulated=False, own_exists=False)
    return facts.docker_running and facts.kind_found and kind.exists(name)
