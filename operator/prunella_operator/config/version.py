"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of prunella or, without it, of prunella-client."""
    try:
        return version("prunella")
    except PackageNotFoundError:
        return version("prunella-client")
