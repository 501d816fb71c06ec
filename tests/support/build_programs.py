"""`python -m support.build_programs`: build all that the tests compile, before time limits run beside a compiler.

On Debian the packages that a build needs are installed first.
Without Go nothing is built: the tests that need it say so.
"""

from localcluster import build, choose, sources, tools
from localcluster.choose import Kind
from localcluster.console import ClusterError


def _has_own_cluster() -> bool:
    try:
        return choose.choose(choose.gather(None, False, False)).kind is Kind.OWN
    except ClusterError:
        return False


def main() -> None:
    """Build the programs of the tests' own cluster, if they will make one, and those that need no cluster."""
    if choose.go_version() is None:
        return
    if _has_own_cluster():
        tools.ensure(simulated=False)
        build.build(monitoring=True)
    alone = (one.name for group, one in sources.alone() if group not in (sources.KEDA, sources.VPA))
    for name in ("kubectl", "promtool", *alone):
        build.ensure(name)


if __name__ == "__main__":
    main()
