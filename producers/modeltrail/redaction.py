"""Secrets out of text, names, command lines and URLs, before anything is kept. Pure: it reads and writes nothing.

Four signs, surest first: known shapes (key prefixes, JWT, PEM), credentials in URLs, secret-like names before a
value, and random-looking strings. The last is careful: lineage is made of digests, commits, UUIDs, short base64.
Every function returns the clean form and how many values it took out. To most programs ``-p`` of a command line is a
port or a path: its value goes only where it looks like a password. docs/secrets.md tells what is missed.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

REDACTED = "[redacted]"
MIN_RANDOM_CHARACTERS = 32
NAMES_REMEMBERED = 1_024

# Each can begin only once in a run of its own characters: otherwise hostile text would take quadratic time.
_KNOWN = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
            r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
            r"\bgh[pousr]_[A-Za-z0-9]{30,}",
            r"\bgithub_pat_[A-Za-z0-9_]{22,}",
            r"\bgl(?:pat|dt|rt|cbt|ptt|oas)-[A-Za-z0-9_-]{20,}",
            r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
            r"\bxapp-[A-Za-z0-9-]{20,}",
            r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
            r"\bAIza[A-Za-z0-9_-]{35}",
            r"\bya29\.[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{20,}",
            r"\bhf_[A-Za-z0-9]{30,}",
            r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
            r"\bnpm_[A-Za-z0-9]{36}",
            r"\bpypi-AgE[A-Za-z0-9_-]{30,}",
            r"\bdapi[0-9a-f]{32}\b",
            r"\bdop_v1_[0-9a-f]{40,}",
            r"(?<![A-Za-z0-9._~-])[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,}",
            r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
            r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        )
    ),
    re.DOTALL,
)
_AUTHORIZATION = re.compile(
    r"\b([Bb]earer|BEARER|[Bb]asic|BASIC)(\s+)(?=[^\s\"']*[0-9=])(?=[^\s\"']*[A-Z]|[^\s\"']{24})([A-Za-z0-9._~+/=-]{12,})"
)
_URL_PASSWORD = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*://)([^\s/:@\"'?#]*):([^\s/@\"']+)@")
_URL_TOKEN = re.compile(r"(https?://)([A-Za-z0-9_-]{16,})@")
_URL_USER_INFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/@\s]+)@")
_ASSIGNMENT = re.compile(
    r"(?<![\w.-])(?P<name>(?=[\w.-]*(?i:pass|pwd|secret|credential|key|token|sig|auth))-*[A-Za-z_][\w.-]*)"
    r"(?P<between>[\"']?(?P<before>\s*)(?:=>|:=|=|:)(?P<after>\s*))"
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{3,})(?P=quote)|(?P<bare>[^\s\"',;&(){}\[\]<>]{6,})(?P<next>[(\[]?))"
)
_RANDOM = re.compile(r"(?<![A-Za-z0-9_+/=.-])[A-Za-z0-9_+-]{32,}={0,2}(?![A-Za-z0-9_+/=-])|"
                     r"(?<![A-Za-z0-9_+/=.-])(?:[A-Za-z0-9+/]{40}(?![A-Za-z0-9_+/=-])|"
                     r"(?:[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==)(?![A-Za-z0-9_+/=-]))")  # fmt: skip
_DIGEST_BEFORE = re.compile(r"(?i)(?:sha|md|blake)[0-9a-z_]*[:=]$")
_DIGEST_LABEL = re.compile(r"(?i)(?:sha|md|blake)[0-9a-z_]*-")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SECRET_WORDS = frozenset({
    "password", "passwd", "passphrase", "passwort", "pwd", "secret", "secrets", "credential", "credentials",
    "apikey", "authtoken", "accesskey", "secretkey", "privatekey", "authorization"
})  # fmt: skip
_KEYS = frozenset({
    "api", "access", "secret", "private", "account", "encryption", "signing", "shared", "auth", "master", "service",
    "sas"
})  # fmt: skip
_HARMLESS_TOKENS = frozenset({
    "pad", "eos", "bos", "unk", "sep", "cls", "mask", "special", "start", "end", "stop", "next", "first", "last",
    "image", "prefix", "suffix", "decoder", "max", "min", "num", "per", "begin", "of", "vocab", "word", "sub",
    "forced", "separator"
})  # fmt: skip
_ABOUT_A_SECRET = frozenset({
    "file", "path", "name", "env", "variable", "url", "uri", "length", "len", "policy", "count", "size", "type",
    "id", "field", "column", "prompt", "class", "ttl", "expiry", "hint", "manager", "store"
})  # fmt: skip
_NOT_A_VALUE = frozenset({
    "none", "null", "true", "false", "str", "string", "bytes", "optional", "required", "prompt", "self"
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Name:
    """What a name says of its value: ``secret`` at all, and ``sure`` even when the value looks harmless."""

    secret: bool
    sure: bool


@lru_cache(maxsize=NAMES_REMEMBERED)
def judge_name(name: str) -> Name:
    """Return whether a value under ``name`` is a secret; ``token`` alone is not sure (``pad_token`` is no secret)."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _ABOUT_A_SECRET:
        return Name(False, False)
    if any(word in _SECRET_WORDS for word in words) or _has_key_pair(words):
        return Name(True, True)
    if words[-1] in {"token", "signature", "sig"}:
        return Name(not _HARMLESS_TOKENS.intersection(words), False)
    return Name(False, False)


def redact_text(text: str) -> tuple[str, int]:
    """Return ``text`` without the secrets that can be told by their shape, their place in a URL, or their name."""
    count = 0

    def url_password(match: re.Match[str]) -> str:
        nonlocal count
        if match[3] == REDACTED or re.fullmatch(r"\{[\w.]*\}|\$\{?\w+\}?|%\w|\*+", match[3]):
            return match[0]
        count += 1
        return f"{match[1]}{match[2]}:{REDACTED}@"

    def url_token(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"{match[1]}{REDACTED}@"

    def authorization(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"{match[1]}{match[2]}{REDACTED}"

    def assignment(match: re.Match[str]) -> str:
        nonlocal count
        if not _is_secret_assignment(match):
            return match[0]
        count += 1
        quote = match["quote"] or ""
        return f"{match['name']}{match['between']}{quote}{REDACTED}{quote}{match['next'] or ''}"

    def random(match: re.Match[str]) -> str:
        nonlocal count
        is_digest = _DIGEST_LABEL.match(match[0]) or _DIGEST_BEFORE.search(
            match.string, max(match.start() - 16, 0), match.start()
        )
        if is_digest or not looks_random(match[0]):
            return match[0]
        count += 1
        return REDACTED

    if len(text) < 6:
        return text, 0
    text_now, count = _KNOWN.subn(REDACTED, text)
    if "://" in text_now:
        text_now = _URL_TOKEN.sub(url_token, _URL_PASSWORD.sub(url_password, text_now))
    text_now = _AUTHORIZATION.sub(authorization, text_now)
    text_now = _ASSIGNMENT.sub(assignment, text_now)
    return _RANDOM.sub(random, text_now), count


def redact_value(name: str, value: str) -> tuple[str, int]:
    """Return the value that stands under ``name``: redacted whole when the name says so, else as text is."""
    judged = judge_name(name)
    if value and (judged.sure or (judged.secret and _is_opaque(value))):
        return REDACTED, 1
    return redact_text(value)


def redact_command(arguments: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return a command line without secrets: ``--api-key VALUE``, ``--api-key=VALUE``, ``db.password=VALUE``."""
    clean: list[str] = []
    count = 0
    value_is_secret = False
    for before, argument in pairwise(("", *arguments)):
        name, equals, value = argument.partition("=")
        if value_is_secret and not argument.startswith("--"):
            argument, found = REDACTED, 1
            value_is_secret = False
        elif before == "-p" and _looks_chosen(argument):
            argument, found = REDACTED, 1
        elif argument.startswith("-p") and _looks_chosen(argument[2:]):
            argument, found = f"-p{REDACTED}", 1
        elif equals and re.fullmatch(r"[-+~]*[A-Za-z_][\w./-]*", name):
            value, found = (REDACTED, 1) if value and judge_name(name).secret else redact_text(value)
            argument = f"{name}={value}"
        else:
            value_is_secret = argument.startswith("-") and judge_name(argument).secret
            argument, found = redact_text(argument)
        clean.append(argument)
        count += found
    return tuple(clean), count


def redact_url(url: str) -> tuple[str, int]:
    """Return a URL without the user and password in it, and without secrets in its query."""
    bare = _URL_USER_INFO.sub(lambda match: match[0] if match[2] == "git" else match[1], url)
    clean, count = redact_text(bare)
    return clean, count + (bare != url)


def looks_random(token: str) -> bool:
    """Return whether ``token`` looks drawn at random: long, of all classes, changing class at nearly every step.

    Words in camel case change class at a fifth of their steps, base64 of random bytes at three fifths.
    """
    if len(token) < MIN_RANDOM_CHARACTERS or _HEXADECIMAL.fullmatch(token):
        return False
    classes = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "" for c in token]
    if not {"d", "u", "l"} <= set(classes) or classes.count("d") < 3:
        return False
    pairs = [(left, right) for left, right in pairwise(classes) if left and right]
    changes = sum(left != right for left, right in pairs)
    return changes >= 0.42 * len(pairs) and len(pairs) >= 0.7 * len(token) and _entropy_bits(token) >= 3.9


def _entropy_bits(token: str) -> float:
    return -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values())


def _has_key_pair(words: Sequence[str]) -> bool:
    return any(right == "key" and left in _KEYS for left, right in pairwise(words))


def _looks_chosen(value: str) -> bool:
    """Return whether a value has the look of a password: letters of both cases and digits, and no path or number."""
    classes = bool(re.search("[a-z]", value)), bool(re.search("[A-Z]", value)), bool(re.search("[0-9]", value))
    return len(value) >= 8 and all(classes) and not re.search(r"[\s/\\=:,]|\.[A-Za-z]", value)


def _is_reference(value: str) -> bool:
    """Return whether a value names what holds the secret, or is a place for it: a variable, a path, a format."""
    if value.startswith("/"):
        return not looks_random(value)
    return value.startswith(("$", "*")) or bool(re.match("%(?![0-9A-F]{2})", value))


def _is_opaque(value: str) -> bool:
    return len(value) >= 8 and not re.search(r"[\s<>\[\]{}]", value)


def _is_secret_assignment(match: re.Match[str]) -> bool:
    """Return whether ``name = value`` gives a secret away, and not a piece of code that handles one."""
    judged = judge_name(match["name"])
    if not judged.secret:
        return False
    if (quoted := match["quoted"]) is not None:
        return quoted != REDACTED and not quoted.startswith(("$", "{", "<")) and (judged.sure or _is_opaque(quoted))
    value = match["bare"]
    if match["next"] or _is_reference(value) or value.lower().rstrip(".") in _NOT_A_VALUE:
        return False
    if (judge_name(value).secret and not looks_random(value)) or re.fullmatch(
        r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value
    ):
        return False  # an expression: password=args.password
    if match["before"] or match["after"]:  # "password: reset it": prose and code; a secret has more than letters
        return _is_opaque(value) and bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))
    return judged.sure or _is_opaque(value)
