"""Realistic secrets of every kind, and harmless text that resembles them, drawn by a seed: the same in every run.

No literal here looks like a secret: each is put together from parts. ``python -m secret_corpus`` from tests/ writes
the measured figures into docs/secrets.md.
"""

import base64
import hashlib
import json
import random
import re
import string
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from modeltrail.redaction import redact_command, redact_text, redact_url, redact_value

SEED = 20_260_301
SAMPLES = 200
DOCUMENT = Path(__file__).parents[1] / "docs" / "secrets.md"
_TABLE = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LETTERS, _DIGITS = string.ascii_letters, string.digits
_HEX = "0123456789abcdef"
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "falcon", "granite", "harbor", "indigo", "juniper", "maple")

Case = tuple[tuple[str, int], str]
"""What redaction made of a text, with its count; and the secret that must not be in it."""

Draw = Callable[[random.Random], Case]
Harmless = Draw
"""The same for a text without a secret: what redaction made of it, and the text."""


def drawn(chance: random.Random, count: int, alphabet: str = _LETTERS + _DIGITS) -> str:
    """Return ``count`` characters drawn at random."""
    return "".join(chance.choice(alphabet) for _ in range(count))


def password(chance: random.Random) -> str:
    """Return a password as people make them: two words, a number, often a sign."""
    first, second = chance.sample(_WORDS, 2)
    return f"{first.title()}{second}{chance.randrange(10, 9_999)}{chance.choice(['', '!', '#', '_x'])}"


def b64(chance: random.Random, count: int) -> str:
    """Return ``count`` random bytes as base64."""
    return base64.b64encode(chance.randbytes(count)).decode()


def url64(text: bytes) -> str:
    """Return bytes as base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def in_text(before: str, after: str = "") -> Callable[[Callable[[random.Random], str]], Draw]:
    """Return what makes of a kind of secret one that stands in a text."""

    def place(secret_of: Callable[[random.Random], str]) -> Draw:
        def draw(chance: random.Random) -> Case:
            secret = secret_of(chance)
            return redact_text(f"{before}{secret}{after}"), secret

        return draw

    return place


def in_command(*before: str, glued: bool = False) -> Draw:
    """Return a password in a command line after these arguments; ``glued``: within the last of them."""

    def draw(chance: random.Random) -> Case:
        secret = password(chance)
        *first, last = before
        arguments = [*first, last + secret] if glued else [*before, secret]
        clean, count = redact_command(["train.py", *arguments, "--epochs", "3"])
        return (" ".join(clean), count), secret

    return draw


def under_name(name: str) -> Draw:
    """Return a password as the value of a parameter, a tag or a variable of that name."""

    def draw(chance: random.Random) -> Case:
        secret = password(chance)
        return redact_value(name, secret), secret

    return draw


def in_remote(user: str) -> Draw:
    """Return a password in the URL of a git remote."""

    def draw(chance: random.Random) -> Case:
        secret = password(chance).rstrip("#")
        return redact_url(f"https://{user}:{secret}@git.example/team/repository.git"), secret

    return draw


def _pem(kind: str) -> Draw:
    def draw(chance: random.Random) -> Case:
        body = b64(chance, 300)
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        text = f"-----BEGIN {kind}PRIVATE" + f" KEY-----\n{lines}\n-----END {kind}PRIVATE" + " KEY-----\n"
        return redact_text(f"+{text}"), body[:64]

    return draw


def _service_account(chance: random.Random) -> Case:
    body = b64(chance, 200)
    begin, end = "-----BEGIN PRIVATE" + " KEY-----", "-----END PRIVATE" + " KEY-----"
    key = {"type": "service_account", "private_key": f"{begin}\n{body}\n{end}\n", "client_id": "1"}
    return redact_text(json.dumps(key)), body[:64]


def _jwt(chance: random.Random) -> str:
    header = url64(b'{"alg":"HS256","typ":"JWT"}')
    return f"{header}.{url64(json.dumps({'sub': drawn(chance, 8)}).encode())}.{url64(chance.randbytes(32))}"


def _upper(chance: random.Random, count: int) -> str:
    return drawn(chance, count, string.ascii_uppercase + _DIGITS)


BARE = in_text("RuntimeError: 403 for ", " at step 3")

SECRETS: Mapping[str, Draw] = {
    "AWS access key id": BARE(lambda chance: "AK" + "IA" + _upper(chance, 16)),
    "AWS secret key, named": in_text("AWS_SECRET_ACCESS_KEY=")(
        lambda chance: drawn(chance, 40, _LETTERS + _DIGITS + "+/")
    ),
    "AWS secret key, bare": BARE(lambda chance: drawn(chance, 40, _LETTERS + _DIGITS + "+/")),
    "AWS session token, named": in_text('aws_session_token = "', '"')(lambda chance: b64(chance, 300)),
    "GCP API key": BARE(lambda chance: "AI" + "za" + drawn(chance, 35)),
    "GCP access token": BARE(lambda chance: "ya" + "29.a0" + drawn(chance, 120)),
    "GCP service account": _service_account,
    "Azure storage connection string": in_text("DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=", ";x=y")(
        lambda chance: b64(chance, 64)
    ),
    "Azure shared access signature": in_text("https://lake.blob.example/c/o?sv=2024-01-01&sp=r&sig=")(
        lambda chance: b64(chance, 32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    ),
    "Azure client secret, bare": BARE(
        lambda chance: f"{drawn(chance, 3)}8Q~{drawn(chance, 34, _LETTERS + _DIGITS + '._~')}"
    ),
    "GitHub token": BARE(lambda chance: "gh" + "p_" + drawn(chance, 36)),
    "GitHub fine-grained token": BARE(
        lambda chance: "github" + "_pat_" + drawn(chance, 22) + "_" + drawn(chance, 59)
    ),
    "GitLab token": BARE(lambda chance: "gl" + "pat-" + drawn(chance, 20, _LETTERS + _DIGITS + "_-")),
    "Hugging Face token": BARE(lambda chance: "h" + "f_" + drawn(chance, 34)),
    "OpenAI key": BARE(lambda chance: "sk" + "-proj-" + drawn(chance, 48)),
    "Anthropic key": BARE(lambda chance: "sk" + "-ant-api03-" + drawn(chance, 93, _LETTERS + _DIGITS + "_-")),
    "Slack bot token": BARE(
        lambda chance: "xo" + f"xb-{drawn(chance, 12, _DIGITS)}-{drawn(chance, 12, _DIGITS)}-{drawn(chance, 24)}"
    ),
    "Slack webhook": in_text("https://hooks.slack" + ".com/services/")(
        lambda chance: f"T{_upper(chance, 8)}/B{_upper(chance, 8)}/{drawn(chance, 24)}"
    ),
    "Stripe key": BARE(lambda chance: "sk" + "_live_" + drawn(chance, 24)),
    "SendGrid key": BARE(lambda chance: "S" + f"G.{drawn(chance, 22)}.{drawn(chance, 43)}"),
    "npm token": BARE(lambda chance: "np" + "m_" + drawn(chance, 36)),
    "PyPI token": BARE(lambda chance: "py" + "pi-AgEIcHlwaS5vcmc" + drawn(chance, 120)),
    "Databricks token": BARE(lambda chance: "da" + "pi" + drawn(chance, 32, _HEX)),
    "Telegram bot token": BARE(
        lambda chance: f"{drawn(chance, 10, _DIGITS)}:AA{drawn(chance, 33, _LETTERS + _DIGITS + '_-')}"
    ),
    "Weights & Biases key, named": in_text("WANDB_API_KEY=")(lambda chance: drawn(chance, 40, _HEX)),
    "Weights & Biases key, bare (as a SHA-1)": BARE(lambda chance: drawn(chance, 40, _HEX)),
    "JSON web token": in_text("Cookie: session=")(_jwt),
    "Authorization: Bearer": in_text("curl -H 'Authorization: Bearer ", "'")(lambda chance: drawn(chance, 32)),
    "Authorization: Basic": in_text("authorization: Basic ")(
        lambda chance: base64.b64encode(f"ana:{password(chance)}".encode()).decode()
    ),
    "password in a database's URL": in_text("could not connect to postgresql+psycopg://ana:", "@db.example:5432/x")(
        lambda chance: password(chance).rstrip("#")
    ),
    "password in a URL without a user": in_text("redis://:", "@cache.example:6379/0")(
        lambda chance: password(chance).rstrip("#")
    ),
    "password in a remote": in_remote("ana"),
    "token in a remote": in_remote("oauth2"),
    "password in a connection string": in_text("Server=db;Database=x;Uid=ana;Pwd=", ";Encrypt=yes")(password),
    "password in a JDBC URL": in_text("jdbc:postgresql://db.example/x?user=ana&password=", "&ssl=true")(
        lambda chance: password(chance).rstrip("#")
    ),
    "password in a keyword argument": in_text("+    connect(host='db', password='", "')")(password),
    "password in YAML": in_text("+  password: ")(password),
    "password in a .env file": in_text("+DB_PASSWORD=")(password),
    "secret in JSON": in_text('{"client_secret": "', '"}')(lambda chance: drawn(chance, 32)),
    "RSA key": _pem("RSA "),
    "EC key": _pem("EC "),
    "OpenSSH key": _pem("OPENSSH "),
    "key of PKCS #8": _pem(""),
    "--password VALUE": in_command("--password"),
    "--password=VALUE": in_command("--password=", glued=True),
    "--db.password=VALUE": in_command("--db.password=", glued=True),
    "--api-key VALUE": in_command("--api-key"),
    "--token VALUE": in_command("--token"),
    "-p VALUE": in_command("-u", "ana", "-p"),
    "-pVALUE": in_command("mysql", "-u", "ana", "-p", glued=True),
    "parameter or tag named password": under_name("db_password"),
    "parameter or tag named apiKey": under_name("apiKey"),
    "parameter or tag named auth_token": under_name("auth_token"),
    "40 random characters, bare": BARE(lambda chance: drawn(chance, 40)),
    "32 random bytes in base64, bare": BARE(lambda chance: b64(chance, 32)),
    "a password in prose, bare": BARE(password),
}


def plain(text_of: Callable[[random.Random], str]) -> Harmless:
    """Return what reads a harmless text."""

    def draw(chance: random.Random) -> tuple[tuple[str, int], str]:
        text = text_of(chance)
        return redact_text(text), text

    return draw


def _command(chance: random.Random) -> tuple[tuple[str, int], str]:
    arguments = [
        "train.py",
        "-p",
        chance.choice(["8080", "data/tx.csv", "resnet50", "fast", "conf-2.yaml", "ResNet50v2"]),
    ]
    arguments += ["--max-tokens", str(chance.randrange(4_096)), "--pad-token", "<pad>", "--tokenizer=bpe"]
    arguments += [f"model.hidden={chance.randrange(512)}", "--run-key", "auc", "--token-budget", "1000"]
    clean, count = redact_command(arguments)
    return (" ".join(clean), count), " ".join(arguments)


def _hashed(name: str) -> Callable[[random.Random], str]:
    return lambda chance: hashlib.new(name, chance.randbytes(8)).hexdigest()


HARMLESS: Mapping[str, Harmless] = {
    "SHA-256, SHA-1, MD5, SHA-512": plain(
        lambda chance: _hashed(chance.choice(["sha256", "sha1", "md5", "sha512"]))(chance)
    ),
    "digest with its label, also in base64": plain(
        lambda chance: chance.choice(["sha256:" + _hashed("sha256")(chance), "sha256-" + b64(chance, 32)])
    ),
    "SHA-256 in base64 without a label": plain(lambda chance: f"checksum {b64(chance, 32)}"),
    "UUID, and hexadecimal without dashes": plain(
        lambda chance: chance.choice([str, lambda value: value.hex])(uuid.UUID(int=chance.getrandbits(128)))
    ),
    "path of a file, URI of an object": plain(
        lambda chance: f"s3://lake-{chance.choice(_WORDS)}/{chance.choice(_WORDS)}"
        f"/dt=2026-03-{chance.randrange(1, 31):02}"
        f"/part-{chance.randrange(10**5):05}-{uuid.UUID(int=chance.getrandbits(128))}-c000.snappy.parquet"
    ),
    "name of a model or an experiment": plain(
        lambda chance: f"{chance.choice(['meta-llama/Llama', 'Qwen/Qwen2.5', 'mistralai/Mixtral'])}-"
        f"{chance.randrange(1, 70)}B-Instruct-v0.{chance.randrange(9)}-GGUF-Q{chance.randrange(2, 9)}_K_M"
    ),
    "class of a library": plain(
        lambda chance: f"{chance.choice(_WORDS)}.{chance.choice(_WORDS).title()}{chance.choice(_WORDS).title()}"
        f"Classifier{chance.randrange(1, 9)}WithCalibratedProbabilities"
    ),
    "requirement with its hash": plain(
        lambda chance: f"torch==2.{chance.randrange(9)}.0+cu12{chance.randrange(9)}"
        f" --hash=sha256:{_hashed('sha256')(chance)}"
    ),
    "code that handles secrets": plain(
        lambda chance: chance.choice(
            [
                "password = getpass.getpass()", "token = os.environ['TOKEN']", "def login(password: str) -> None:",
                "api_key=settings.api_key,", "secret = load_secret(name)", "if token != expected_token:",
                "tokenizer = AutoTokenizer.from_pretrained(name)", "KeyError: 'api_key'", "password=None",
                "raise ValueError('the password must be given')", "auth=(user, password)", "key=lambda pair: pair[1]",
            ]
        )
    ),
    "hyperparameters": plain(
        lambda chance: f"lr={chance.random():.6f} pad_token_id={chance.randrange(50_000)}"
        f" max_tokens={chance.randrange(4_096)} sort_key=name eos_token='</s>' weight_decay={chance.random():.3e}"
        f" num_key_value_heads={chance.randrange(9)}"
    ),
    "command line": _command,
    "error of a framework": plain(
        lambda chance: f"RuntimeError: mat1 and mat2 shapes cannot be multiplied"
        f" ({chance.randrange(999)}x{chance.randrange(999)}"
        f" and {chance.randrange(999)}x10) at 0x{drawn(chance, 12, _HEX)} in cuda:{chance.randrange(8)}"
    ),
}  # fmt: skip


def misses(draw: Draw) -> int:
    """Return how many of SAMPLES secrets of a kind are still there, or were not counted, after redaction."""
    chance = random.Random(SEED)
    return sum(secret in clean or not count for (clean, count), secret in (draw(chance) for _ in range(SAMPLES)))


def alarms(draw: Harmless) -> int:
    """Return how many of SAMPLES harmless texts lost something."""
    chance = random.Random(SEED)
    return sum(bool(count) or clean != text for (clean, count), text in (draw(chance) for _ in range(SAMPLES)))


def with_figures(text: str) -> str:
    """Return the document with the tables as they are measured now."""
    tables = {"misses": _table("secret", "missed", _counted(SECRETS, misses))}
    tables["alarms"] = _table("harmless", "taken for a secret", _counted(HARMLESS, alarms))
    return _TABLE.sub(lambda match: f"{match[1]}{tables[match[2]]}{match[3]}", text)


def _counted(kinds: Mapping[str, Draw], measure: Callable[[Draw], int]) -> dict[str, int]:
    return {kind: measure(draw) for kind, draw in kinds.items()}


def _table(what: str, how: str, counts: Mapping[str, int]) -> str:
    """Return the rows; kinds without any are one row, the others each their own."""
    none = [kind for kind, count in counts.items() if not count]
    some = sorted(((count, kind) for kind, count in counts.items() if count), reverse=True)
    rows = [f"| {what} | {how} |", "|---|---|"]
    rows += [f"| {kind} | {count / SAMPLES:.1%} |" for count, kind in some]
    rows += [
        f"| {'; '.join(none)} | 0 |",
        f"| all kinds together | {sum(counts.values()) / SAMPLES / len(counts):.1%} |",
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(with_figures(DOCUMENT.read_text("utf-8")), "utf-8")
