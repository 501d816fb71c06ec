"""Take secrets out of text before it enters history, status, Events, logs or messages.

Three nets: shapes of known credentials, values of keys that name a secret, and words that look random. What people
need to find their way stays readable: image digests, commit ids, UUIDs, pod names, paths. In doubt a word goes.
"""

import re

MASK = "***"  # has no letter or digit, so masked text never reads as a secret again: redact is idempotent

_NAMES = (
    r"password|passwd|passphrase|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key|account[_-]?key|"
    r"secret[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key"
)
_VALUE = r'\\"[^"\\\n]*\\"|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[^\s,;&"\'<>()\[\]{}\\]+'

_SHAPES: tuple[tuple[str, str], ...] = (
    # A PEM block, also one whose end was cut off or whose lines are joined by a literal \n.
    (r"(?s)-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", MASK),
    # scheme://user:password@host keeps the user: "access denied for user x" is worth reading.
    (r"(://[^\s:/@\"'<>]{0,200}):[^\s/@\"'<>]{1,500}@", rf"\1:{MASK}@"),
    (r"(://)[^\s:/@\"'<>]{20,500}@", rf"\1{MASK}@"),
    (r"(?i)\b(authorization|set-cookie|cookie|x-api-key)([\"']?\s?[:=]\s*)[^\r\n]+", rf"\1\2{MASK}"),
    # A digit tells a credential from "basic authentication failed".
    (r"(?i)\b(bearer|basic)\s+(?=\S*[0-9=_])[A-Za-z0-9._~+/=-]{8,}", rf"\1 {MASK}"),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", MASK),
    (r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", MASK),
    (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|npm_|hf_|AIza|ya29\.)[A-Za-z0-9_./-]{10,}", MASK),
    (r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{20,}", MASK),
    (rf"(?i)(--[\w-]{{0,40}}(?:{_NAMES})\s+)(?!-)(?:{_VALUE})", rf"\1{MASK}"),
    # key=value, key: value, "key": "value". No blank before a colon: kubelets write `volume "a-secret" : secret "a"`.
    (rf"(?i)((?:{_NAMES})\\?[\"']?(?:\s{{0,3}}=|:)\s{{0,3}})(?:{_VALUE})", rf"\1{MASK}"),
)
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _SHAPES)

_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES})\Z")
_WORD = re.compile(r"[A-Za-z0-9+/_=-]{18,}")
_RUN = re.compile(r"[A-Za-z0-9]{18,}")
_NAME_SIGNS = re.compile(r"[-_]")
_BASE64_SIGNS = re.compile(r"[+/=]")
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_HEX = re.compile(r"(?:[0-9a-f]+|[0-9A-F]+)\Z")
# Random text changes its kind of character after every second one or so, words after every fifth. A run with upper
# case, lower case and digits is suspect at 18 characters; names of one case with digits are common, so at 32 only.
_MIXED = (18, 2.7)
_PLAIN = (32, 3.5)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by `***`. Never raises, and is idempotent."""
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return _WORD.sub(_mask_random, text)


def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret, as `db_password` does and `secretName` does not."""
    return _SECRET_NAME.search(key) is not None


def _mask_random(match: re.Match[str]) -> str:
    word = match[0]
    runs = _RUN.findall(word)
    if len(word) >= _PLAIN[0] and not _NAME_SIGNS.search(word):
        runs.append(_BASE64_SIGNS.sub("", word))  # base64 may have its signs anywhere
    return MASK if any(_looks_random(run) for run in runs) else word


def _looks_random(run: str) -> bool:
    kinds = any(map(str.isupper, run)), any(map(str.islower, run)), any(map(str.isdigit, run))
    length, piece = _MIXED if all(kinds) else _PLAIN
    return len(run) >= length and len(run) <= piece * len(_PIECE.findall(run)) and not _HEX.match(run)
