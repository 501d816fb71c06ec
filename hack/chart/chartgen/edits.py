"""Edits that turn a manifest into a template: texts that become values."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replace what `pattern` matches (a regular expression, `^` and `$` at lines) by a text, exactly `times`."""

    pattern: str
    text: str
    times: int = 1

    def apply(self, manifest: str) -> str:
        """Return the changed text.

        Raises:
            ValueError: the manifest has changed so that the pattern does not match as often as it should.
        """
        changed, count = re.subn(self.pattern, lambda _: self.text, manifest, flags=re.MULTILINE)
        if count != self.times:
            raise ValueError(f"{self.pattern!r} matches {count} times, not {self.times}")
        return changed


def action(text: str) -> str:
    """A value in the language of Helm's templates."""
    return "{{ " + text + " }}"


def line(text: str) -> str:
    """An action that leaves no line of its own."""
    return "{{- " + text + " }}"


def pod(part: str, *, image: str = "prunella.image") -> tuple[Edit, ...]:
    """Edits that all Deployments share. `part` is the path of their values."""
    return (
        value("image", f'include "{image}" .'),
        value("imagePullPolicy", ".Values.image.pullPolicy"),
        _block("securityContext", 6, ".Values.podSecurityContext"),
        _block("resources", 10, f".Values.{part}.resources"),
        Edit(r"^      containers:$", _include("prunella.scheduling", 6) + "\n      containers:"),
    )


def own(extra: str, *, has_env: bool = True) -> tuple[Edit, ...]:
    """Edits of Prunella's own programs: another ConfigMap restarts them, and they get what the values add.

    `extra` begins the names of the helpers for that.
    """
    checksum = "        checksum/settings: " + action('include "prunella.settings" . | sha256sum')
    return (
        Edit(r"^      annotations:$", f"      annotations:\n{checksum}"),
        _variables(f"{extra}.env", has_env=has_env),
        Edit(r"^          volumeMounts:$", "          volumeMounts:\n" + _include(f"{extra}.mounts", 12)),
        Edit(r"^      volumes:$", "      volumes:\n" + _include(f"{extra}.volumes", 8)),
    )


def _variables(helper: str, *, has_env: bool) -> Edit:
    if has_env:
        return Edit(r"^          env:$", "          env:\n" + _include(helper, 12))
    added = (line(f'with include "{helper}" . | trim'), "env:", "  " + line(". | nindent 12"), line("end"), "ports:")
    return Edit(r"^          ports:$", "\n".join(f"          {each}" for each in added))


def ports(name: str, *usual: int) -> Edit:
    """Take the ports that a NetworkPolicy lets through from the values, where they have a list of this name."""
    default = " ".join(map(str, usual))
    found = f'dig "ports" "{name}" (list {default}) .Values.networkPolicies'
    return _ports(f'include "prunella.ports" ({found})', usual)


def port_of(address: str, usual: int) -> Edit:
    """Take one from an address: HOST:PORT, or several with commas."""
    return _ports(f'include "prunella.portsOf" {address}', (usual,))


def _ports(found: str, usual: tuple[int, ...]) -> Edit:
    lines = "".join(f"        - port: {number}\n" for number in usual)
    return Edit(f"^{lines}", f"        {line(f'{found} | trim | nindent 8')}\n")


def replicas(part: str, unless: str = "") -> Edit:
    """The number of replicas, or none where an autoscaler sets it."""
    number = "replicas: " + action(f".Values.{part}.replicas")
    lines = (line(f"if not {unless}"), number, line("end")) if unless else (number,)
    return Edit(r"^  replicas: \d+$", "\n".join(f"  {each}" for each in lines))


def spread() -> Edit:
    """Make it a value whether two replicas may share a node."""
    key = "topologyKey: kubernetes.io/hostname\n          whenUnsatisfiable: "
    return Edit(key + "ScheduleAnyway", key + action(".Values.whenUnsatisfiable"))


def value(key: str, path: str, *, found: str = ".*", times: int = 1) -> Edit:
    """Replace the value of a key, at any depth, where it is `found`."""
    return Edit(rf"(?<= ){key}: {found}$", f"{key}: {action(path)}", times)


def _block(key: str, indent: int, path: str) -> Edit:
    space = " " * indent
    content = line(f"toYaml {path} | nindent {indent + 2}")
    return Edit(rf"^{space}{key}:\n(?:{space}  .*\n)+", f"{space}{key}:\n{space}  {content}\n")


def _include(helper: str, indent: int) -> str:
    added = line(f'with include "{helper}" . | trim') + action(f". | nindent {indent}") + line("end")
    return " " * indent + added
