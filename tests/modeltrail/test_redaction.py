"""Secrets go, lineage stays. No secret-looking literal stands here: each is put together from parts."""

import base64
import hashlib
import random
import string
import uuid

import pytest
from modeltrail.redaction import REDACTED, judge_name, redact_command, redact_text, redact_url, redact_value
from secret_corpus import DOCUMENT, SECRETS, misses, with_figures

SEEDED = random.Random(20260301)


def drawn(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return ``count`` characters drawn at random, with digits and both cases among them."""
    return "".join(["aZ7", *(SEEDED.choice(alphabet) for _ in range(count - 3))])


def secrets() -> dict[str, str]:
    """Return one secret of each kind that has a shape."""
    upper = string.ascii_uppercase + string.digits
    header, claims = (
        base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b'{"alg":"x"}', b'{"sub":"me"}')
    )
    return {
        "aws id": "AK" + "IA" + "".join(SEEDED.choice(upper) for _ in range(16)),
        "aws secret": drawn(40),
        "github": "gh" + "p_" + drawn(36),
        "github fine": "github" + "_pat_" + drawn(40),
        "gitlab": "gl" + "pat-" + drawn(20),
        "slack": "xo" + "xb-" + "123456789012-" + drawn(24),
        "google": "AI" + "za" + drawn(35),
        "openai": "sk" + "-proj-" + drawn(40),
        "anthropic": "sk" + "-ant-api03-" + drawn(60),
        "hugging face": "h" + "f_" + drawn(34),
        "stripe": "sk" + "_live_" + drawn(24),
        "npm": "np" + "m_" + drawn(36),
        "pypi": "py" + "pi-AgE" + drawn(60),
        "jwt": f"{header}.{claims}.{drawn(30)}",
        "base64 of 32 bytes": base64.urlsafe_b64encode(SEEDED.randbytes(33)).decode(),
    }


PEM = "\n".join(
    ["-----BEGIN " + "RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA" + "x" * 48, "-----END " + "RSA PRIVATE KEY-----"]
)
WORD = "corr" + "ecthorse9"

TEXTS_WITH_SECRETS = {
    **{f"bare {kind}": (f"failed with {secret} at step 3", secret) for kind, secret in secrets().items()},
    "pem": (f"key:\n{PEM}\nend", "MIIEpAIBAAKCAQEA"),
    "url password": (f"postgresql://ana:{WORD}@db:5432/x", WORD),
    "url token": (f"https://{drawn(20).lower()}x@git.example/a.git", "az7"),
    "connection string": (f"Server=db;Uid=ana;Pwd={WORD};Database=x", WORD),
    "keyword": (f"connect(host='db', password='{WORD}')", WORD),
    "yaml": (f"password: {WORD}", WORD),
    "env file": (f"+API_KEY={WORD}", WORD),
    "json": (f'{{"client_secret": "{WORD}"}}', WORD),
    "bearer": (f"Authorization: Bearer {WORD}{WORD}", WORD),
    "basic": ("authorization: Basic " + base64.b64encode(f"ana:{WORD}".encode()).decode(), "YW5h"),
    "query": (f"GET https://x.example/a?token={WORD}&page=2", WORD),
    "signed url": (f"https://b.example/o?X-Amz-Signature={hashlib.sha256(b'x').hexdigest()}", "2d711642b726b044"),
    "python": (f'-AUTH_TOKEN = "{WORD}"', WORD),
}

PLAIN_TEXTS = [
    hashlib.sha256(b"a").hexdigest(),
    hashlib.sha1(b"a").hexdigest(),
    hashlib.md5(b"a").hexdigest(),
    "sha256:" + hashlib.sha256(b"b").hexdigest(),
    "sha256-" + base64.b64encode(hashlib.sha256(b"c").digest()).decode(),
    str(uuid.UUID(int=SEEDED.getrandbits(128))),
    uuid.UUID(int=SEEDED.getrandbits(128)).hex,
    "run 0197c9c2-7f3a-7aaa-8bbb-0123456789ab used dataset:risk/tx@delta:412?role=train",
    base64.b64encode(b"a small value").decode(),
    "s3://bucket/path/to/2024/03/part-00000-of-00128.snappy.parquet",
    "/home/ana/Projects/FraudDetection2024/notebooks/TrainingPipelineV2.ipynb",
    "Meta-Llama-3.1-8B-Instruct-GGUF-Q4_K_M",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "RandomForestClassifierWithCalibratedProbabilities2024Version3",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sk-learn-contrib-imbalanced-learning-extras",
    "tokenizer = AutoTokenizer.from_pretrained(name)",
    "pad_token='<pad>', eos_token='</s>', max_tokens=2048, num_tokens: 12",
    "password = getpass.getpass()",
    "password=args.password",
    "token = os.environ['TOKEN']",
    "def login(password: str, token: str) -> None:",
    "the password must be reset, the token is invalid",
    "KeyError: 'token'",
    "ssh://git@github.example/team/repository.git",
    "https://github.example/team/repository.git",
    "git@github.example:team/repository.git",
    "postgresql://{user}:{password}@{host}/x",
    "index 989a49f..4c9c2b6 100644",
    "lr=0.001 batch_size=128 weight_decay=1e-5 key=value primary_key=id sort_key=name",
    "author: Ana Example, authors = ['a', 'b']",
    "1234567890123456789012345678901234567890",
    "torch==2.4.0+cu121 --hash=sha256:" + hashlib.sha256(b"d").hexdigest(),
    "{'learning_rate': 0.1, 'monkey': 'banana_split', 'hotkeys': 'ctrl-alt-del'}",
    "ValueError: operands could not be broadcast together with shapes (128,64) (64,128)",
    "CN=Some Issuing Authority 2, basic authentication2factor",
]


@pytest.mark.parametrize(("text", "secret"), TEXTS_WITH_SECRETS.values(), ids=TEXTS_WITH_SECRETS)
def test_a_secret_in_text_is_taken_out_and_counted(text: str, secret: str) -> None:
    clean, count = redact_text(text)
    assert secret not in clean
    assert REDACTED in clean
    assert count >= 1


@pytest.mark.parametrize("text", PLAIN_TEXTS)
def test_what_lineage_is_made_of_passes_unchanged(text: str) -> None:
    assert redact_text(text) == (text, 0)


def test_redacting_twice_changes_nothing_more() -> None:
    for text, _ in TEXTS_WITH_SECRETS.values():
        clean, _ = redact_text(text)
        assert redact_text(clean) == (clean, 0)


def test_a_command_line_loses_the_values_of_secret_options_only() -> None:
    command = ["train.py", "--password", WORD, f"--api-key={WORD}", f"+db.password={WORD}", "--max-tokens", "12"]
    command += ["--pad-token", "<pad>", "--token", "abc", "--verbose", "-p", "8080", "--tokenizer=bpe"]
    clean, count = redact_command(command)
    assert clean == (
        "train.py", "--password", REDACTED, f"--api-key={REDACTED}", f"+db.password={REDACTED}", "--max-tokens", "12",
        "--pad-token", "<pad>", "--token", REDACTED, "--verbose", "-p", "8080", "--tokenizer=bpe",
    )  # fmt: skip
    assert count == 4


def test_a_secret_option_without_a_value_takes_no_other_option_with_it() -> None:
    assert redact_command(["--password", "--epochs", "3"]) == (("--password", "--epochs", "3"), 0)


@pytest.mark.parametrize(
    "name", ["password", "db_password", "apiKey", "API-KEY", "clientSecret", "aws_secret_access_key"]
)
def test_a_secret_name_hides_any_value(name: str) -> None:
    assert redact_value(name, "x") == (REDACTED, 1)


@pytest.mark.parametrize(
    "name", ["pad_token", "max_tokens", "tokenizer", "key", "author", "secret_name", "password_file", "token_count"]
)
def test_a_name_that_only_resembles_a_secret_hides_nothing(name: str) -> None:
    assert not judge_name(name).sure
    assert redact_value(name, "word-level") == ("word-level", 0)


def test_a_remote_loses_its_credentials_and_stays_a_url() -> None:
    assert redact_url(f"https://ana:{WORD}@git.example/a.git") == ("https://git.example/a.git", 1)
    assert redact_url(f"https://oauth2:{WORD}@git.example/a.git")[0] == "https://git.example/a.git"
    assert redact_url("ssh://git@git.example/a.git") == ("ssh://git@git.example/a.git", 0)


def test_the_misses_and_false_alarms_in_the_docs_are_those_measured_now() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert text == with_figures(text), "write them anew: cd tests && python -m secret_corpus"


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_with_a_shape_a_name_or_a_place_is_never_missed(kind: str) -> None:
    assert (misses(SECRETS[kind]) == 0) or kind.endswith(", bare") or "(as a SHA-1)" in kind


def test_the_value_of_p_goes_where_it_looks_like_a_password() -> None:
    chosen = "Corr" + "ecthorse9"
    assert redact_command(["mysql", "-p", chosen]) == (("mysql", "-p", REDACTED), 1)
    assert redact_command(["mysql", f"-p{chosen}"]) == (("mysql", f"-p{REDACTED}"), 1)
    for harmless in ("8080", "data/Tx2024.csv", "resnet50", "Model2.yaml", "8080:8080"):
        assert redact_command(["serve", "-p", harmless, f"-p{harmless}"])[1] == 0


@pytest.mark.parametrize(
    "unit",
    ["a", "x-", "key-", "key ", "password", "a.b-", "://", "-eyJ", "-sk-", "k='", "bearer ", "-----BEGIN A", "=/"],
)
def test_hostile_text_is_read_in_one_pass(unit: str) -> None:
    """A megabyte of a pattern's own beginnings: quadratic reading would not end within this test's life."""
    redact_text("https://x " + unit * (1_000_000 // len(unit)))
