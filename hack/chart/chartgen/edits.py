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


def pod(part: str, *, image: str = "prunella.image", extra: str = "prunella.extra") -> tuple[Edit, ...]:
    """Edits that all Deployments share. `part` is the path of their values, `extra` begins the names of helpers."""
    return (
        value("image", f'include "{image}" .'),
        value("imagePullPolicy", ".Values.image.pullPolicy"),
        _block("securityContext", 6, ".Values.podSecurityContext"),
        _block("resources", 10, f".Values.{part}.resources"),
        Edit(r"^      containers:$", _include("prunella.scheduling", 6) + "\n      containers:"),
        Edit(r"^          volumeMounts:$", "          volumeMounts:\n" + _include(f"{extra}.mounts", 12)),
        Edit(r"^      volumes:$", "      volumes:\n" + _include(f"{extra}.volumes", 8)),
    )


def variables(extra: str = "prunella.extra", *, has_env: bool = True) -> tuple[Edit, ...]:
    """Edits of the parts that read the ConfigMap: a change restarts them, and variables may be added."""
    checksum = "        checksum/settings: " + action('include "prunella.settings" . | sha256sum')
    restart = Edit(r"^      annotations:$", f"      annotations:\n{checksum}")
    if has_env:
        return (restart, Edit(r"^          env:$", "          env:\n" + _include(f"{extra}.env", 12)))
    added = (line(f'with include "{extra}.env" . | trim'), "env:", "  " + line(". | nindent 12"), line("end"), "ports:")
    return (restart, Edit(r"^          ports:$", "\n".join(f"          {each}" for each in added)))


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
