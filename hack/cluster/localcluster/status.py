"""The table of `status`."""

from rich.table import Table

from localcluster import api, monitoring, own, processes
from localcluster.console import out, say
from localcluster.instance import Instance
from localcluster.processes import Component


def show(instance: Instance) -> bool:
    """Print what runs; is all of it up?"""
    parts = own.components(instance)
    table = Table("component", "state", "pid", "memory", "ports", box=None, pad_edge=False)
    for part in parts:
        table.add_row(*_row(instance, part))
    out.print(table)
    serving = api.ready(instance)
    say(f"\nAPI server  {instance.url} ({'ready' if serving else 'not ready'})")
    say(f"pods        {instance.pods}    services {instance.services}    this machine {instance.host_address}")
    say(f"kubeconfig  {instance.kubeconfig}")
    if instance.monitoring:
        say(f"Prometheus  {monitoring.url(instance, monitoring.PROMETHEUS_PORT)}")
        say(f"Alertmanager {monitoring.url(instance, monitoring.ALERTMANAGER_PORT)}")
        say(f"rules       {monitoring.folder(instance) / 'rules'}    targets {monitoring.folder(instance) / 'targets'}")
    if instance.audit:
        say(f"audit log   {instance.folder / 'audit.log'}")
    return serving and all(processes.pid_of(instance, part.name) for part in parts)


def _row(instance: Instance, part: Component) -> tuple[str, ...]:
    pid = processes.pid_of(instance, part.name)
    if pid is None:
        return (part.name, "down", "", "", part.ports)
    return (part.name, "up", str(pid), f"{processes.memory_mib(pid)} MiB", part.ports)
