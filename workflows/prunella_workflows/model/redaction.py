"""Removes secrets from text before it enters history, status, Events, logs or messages.

Three filters: patterns of known credentials, values of keys that name a secret, and words that look random. Image
digests, commit ids, UUIDs, pod names and paths stay readable for debugging. In doubt, mask the word.
"""

import re
from typing import Any

MASK = "***"  # has no letter or digit, so masked text never reads as a secret again: redact is idempotent

_NAMES = (
    r"password|passwd|passphrase|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key|account[_-]?key|"
    r"secret[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key"
)
_VALUE = r'\\"[^"\\\n]*\\"|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[^\s,;&"\'<>()\[\]{}\\]+'

_PATTERNS: tuple[tuple[str, str], ...] = (
    # A PEM block, even if its end is cut off or its lines are joined by a literal \n.
    (r"(?s)-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", MASK),
    # scheme://user:password@host keeps the user: "access denied for user x" is worth reading.
    (r"(://[^\s:/@\"'<>]{0,200}):[^\s/@\"'<>]{1,500}@", rf"\1:{MASK}@"),
    (r"(://)[^\s:/@\"'<>]{20,500}@", rf"\1{MASK}@"),
    (r"(?i)\b(authorization|set-cookie|cookie|x-api-key)([\"']?\s?[:=]\s*)[^\r\n]+", rf"\1\2{MASK}"),
    # A digit distinguishes a credential from "basic authentication failed".
    (r"(?i)\b(bearer|basic)\s+(?=\S*[0-9=_])[A-Za-z0-9._~+/=-]{8,}", rf"\1 {MASK}"),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", MASK),
    (r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", MASK),
    (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|npm_|hf_|AIza|ya29\.)[A-Za-z0-9_./-]{10,}", MASK),
    (r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{20,}", MASK),
    (rf"(?i)(--[\w-]{{0,40}}(?:{_NAMES})\s+)(?!-)(?:{_VALUE})", rf"\1{MASK}"),
    # key=value, key: value, "key": "value". No blank before a colon: kubelets write `volume "a-secret" : secret "a"`.
    (rf"(?i)((?:{_NAMES})\\?[\"']?(?:\s{{0,3}}=|:)\s{{0,3}})(?:{_VALUE})", rf"\1{MASK}"),
)
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _PATTERNS)

_TEXT = re.compile(r"[\s=]")
_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES})\Z")
_WORD = re.compile(r"[A-Za-z0-9+/_=-]{18,}")
_RUN = re.compile(r"[A-Za-z0-9]{18,}")
_NAME_SEPARATORS = re.compile(r"[-_]")
_BASE64_PUNCTUATION = re.compile(r"[+/=]")
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_HEX = re.compile(r"(?:[0-9a-f]+|[0-9A-F]+)\Z")
# Random text changes its kind of character about every second character, words every fifth. A run with upper case,
# lower case and digits is suspect from 18 characters on; names of one case with digits are common, so only from 32 on.
_MIXED = (18, 2.7)
_PLAIN = (32, 3.5)


def redact(text: str) -> str:
    """Replace everything that looks like a secret by `***`. Never raises, and is idempotent."""
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return _WORD.sub(_mask_random, text)


def redact_texts(value: Any) -> Any:
    """JSON with its texts redacted. A name, an image, a hash or a label has neither blanks nor `=`, and stays."""
    if isinstance(value, dict):
        return {key: redact_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_texts(item) for item in value]
    return redact(value) if isinstance(value, str) and _TEXT.search(value) else value


def names_secret(key: str) -> bool:
    """True if a key names a secret value, as `db_password` does and `secretName` does not."""
    return _SECRET_NAME.search(key) is not None


def _mask_random(match: re.Match[str]) -> str:
    word = match[0]
    runs = _RUN.findall(word)
    if len(word) >= _PLAIN[0] and not _NAME_SEPARATORS.search(word):
        runs.append(_BASE64_PUNCTUATION.sub("", word))  # base64 may have these anywhere
    return MASK if any(_looks_random(run) for run in runs) else word


def _looks_random(run: str) -> bool:
    kinds = any(map(str.isupper, run)), any(map(str.islower, run)), any(map(str.isdigit, run))
    length, piece = _MIXED if all(kinds) else _PLAIN
    return len(run) >= length and len(run) <= piece * len(_PIECE.findall(run)) and not _HEX.match(run)
